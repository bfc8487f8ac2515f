import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { OwnRecord } from '../../src/client/own-record.ts'
import { PeerRecords } from '../../src/protocol/peer-record.ts'
import { makePeer } from '../fixtures/peers.ts'
import type { RecordDomain, SignedPeerRecord } from '../../src/protocol/peer-record.ts'
import type { Peer } from '../fixtures/peers.ts'
import type { Multiaddr } from '@multiformats/multiaddr'

let now = 0

function ownRecord (peer: Peer, addresses: () => string[], filter: (multiaddr: Multiaddr) => boolean = () => true, domain: RecordDomain = 'libp2p-peer-record'): OwnRecord {
  return new OwnRecord({
    ...peer,
    addressManager: { getAddresses: () => addresses().map(address => multiaddr(address)) } as any
  }, filter, domain)
}

async function opened (record: OwnRecord): Promise<SignedPeerRecord> {
  return new PeerRecords(10).open((await record.seal(now))!.envelope).certify()
}

describe('OwnRecord', () => {
  // numbers of records are by the system's clock
  beforeEach(() => { vi.useFakeTimers({ toFake: ['Date'] }) })
  afterEach(() => { vi.useRealTimers() })

  /** Addresses are not looked up all the time. */
  function wait (): void {
    now += 1_000
  }

  it('is signed, and names the peer once', async () => {
    const peer = await makePeer()
    const record = await opened(ownRecord(peer, () => [`/ip4/192.0.2.1/tcp/1/p2p/${peer.peerId}`, '/ip4/192.0.2.2/tcp/2']))

    expect(record.peerId.equals(peer.peerId)).toBe(true)
    expect(record.multiaddrs.map(String)).toEqual(['/ip4/192.0.2.1/tcp/1', '/ip4/192.0.2.2/tcp/2'])
  })

  it('leaves the relay in an address through one', async () => {
    const [peer, relay] = await Promise.all([makePeer(), makePeer()])
    const address = `/ip4/192.0.2.1/tcp/1/p2p/${relay.peerId}/p2p-circuit`
    const record = await opened(ownRecord(peer, () => [`${address}/p2p/${peer.peerId}`]))

    expect(record.multiaddrs.map(String)).toEqual([address])
  })

  it('is the same, byte for byte, while the addresses are, in whatever order they come', async () => {
    let addresses = ['/ip4/192.0.2.1/tcp/1', '/ip4/192.0.2.2/tcp/2']
    const record = ownRecord(await makePeer(), () => addresses)
    const first = (await record.seal(now))!
    addresses = [...addresses].reverse()
    wait()
    const second = (await record.seal(now))!

    expect(second.envelope).toBe(first.envelope)
    expect(second.fingerprint).toBe(first.fingerprint)
    expect(record.fingerprint(now)).toBe(first.fingerprint)
  })

  it('is newer when the addresses are others, also when the clock was set back', async () => {
    let addresses = ['/ip4/192.0.2.1/tcp/1']
    const record = ownRecord(await makePeer(), () => addresses)
    vi.setSystemTime(2_000_000)
    const first = await opened(record)
    addresses = ['/ip4/192.0.2.2/tcp/2']
    wait()
    record.fingerprint(now)
    vi.setSystemTime(1_000_000)
    const second = await opened(record)

    expect(first.sequence).toBe(2_000_000n)
    expect(second.sequence).toBeGreaterThan(first.sequence)
  })

  it('is newer when the addresses are others again', async () => {
    let addresses = ['/ip4/192.0.2.1/tcp/1']
    const record = ownRecord(await makePeer(), () => addresses)
    const sequences: bigint[] = []

    for (const last of [1, 2, 1]) {
      addresses = [`/ip4/192.0.2.${last}/tcp/1`]
      wait()
      sequences.push((await opened(record)).sequence)
    }

    expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => Number(a - b)))
  })

  it('has only the addresses that the filter lets through', async () => {
    const record = ownRecord(await makePeer(), () => ['/ip4/192.0.2.1/tcp/1', '/ip4/192.0.2.2/udp/2'], address => address.toString().includes('tcp'))

    expect((await opened(record)).multiaddrs.map(String)).toEqual(['/ip4/192.0.2.1/tcp/1'])
  })

  it.each([
    ['no address', () => [], () => true],
    ['none that the filter lets through', () => ['/ip4/192.0.2.1/tcp/1'], () => false]
  ])('cannot be made with %s', async (_, addresses, filter) => {
    const record = ownRecord(await makePeer(), addresses, filter)

    expect(record.fingerprint(now)).toBeUndefined()
    expect(await record.seal(now)).toBeUndefined()
  })

  it('fits a request of 4096 bytes, and is one that points accept, however many addresses there are', async () => {
    const short = await opened(ownRecord(await makePeer(), () => Array.from({ length: 1_000 }, (_, index) => `/ip4/192.0.2.1/tcp/${index + 1}`)))
    const long = await opened(ownRecord(await makePeer(), () => Array.from({ length: 1_000 }, (_, index) => `/dns4/${'a'.repeat(60)}.example.com/tcp/${index + 1}`)))

    expect(short.multiaddrs).toHaveLength(64)
    expect(long.multiaddrs.length).toBeGreaterThan(20)
    // what Go's points accept
    expect(long.multiaddrs.reduce((sum, { bytes }) => sum + bytes.byteLength, 0)).toBeLessThanOrEqual(2_048)
    expect(long.envelope.byteLength).toBeLessThan(2_400)
  })

  it('is one that points accept in both forms, with a large key and however many addresses there are', async () => {
    const privateKey = await generateKeyPair('RSA', 4_096)
    const record = ownRecord({ privateKey, peerId: peerIdFromPrivateKey(privateKey) }, () => Array.from({ length: 1_000 }, (_, index) => `/dns4/${'a'.repeat(60)}.example.com/tcp/${index + 1}`))
    const { envelope, inOtherForm } = (await record.seal(now))!
    const records = new PeerRecords(10)

    for (const form of [envelope, await inOtherForm()]) {
      expect(() => records.open(form)).not.toThrow()
    }
  })

  it.each<[RecordDomain, RecordDomain]>([
    ['libp2p-peer-record', 'libp2p-routing-state'],
    ['libp2p-routing-state', 'libp2p-peer-record']
  ])('in the form of %s is there in that of %s as well, and says the same', async (domain, otherDomain) => {
    const record = ownRecord(await makePeer(), () => ['/ip4/192.0.2.1/tcp/1'], undefined, domain)
    const { envelope, inOtherForm } = (await record.seal(now))!
    const records = new PeerRecords(10)
    const own = await records.open(envelope).certify()
    const other = await records.open(await inOtherForm()).certify()

    expect(own.domain).toBe(domain)
    expect(other).toMatchObject({ domain: otherDomain, sequence: own.sequence, multiaddrs: own.multiaddrs })
    expect(await (await record.seal(now))!.inOtherForm()).toBe(await inOtherForm())
  })
})
