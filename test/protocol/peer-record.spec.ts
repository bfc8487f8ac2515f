import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { multiaddr } from '@multiformats/multiaddr'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { checkDomain, InvalidRecordError, otherDomain, PeerRecords, sealPeerRecord } from '../../src/protocol/peer-record.ts'
import { badRecords, envelope, identity } from '../fixtures/records.ts'
import type { Identity } from '../fixtures/records.ts'

let alice: Identity
let bob: Identity

beforeAll(async () => {
  [alice, bob] = await Promise.all([identity(), identity()])
})

afterEach(() => { vi.restoreAllMocks() })

/** How often a signature was verified. */
function verifications (): { readonly count: number } {
  const validate = vi.spyOn(RecordEnvelope.prototype, 'validate')

  return { get count () { return validate.mock.calls.length } }
}

async function certify (records: PeerRecords, bytes: Uint8Array): Promise<unknown> {
  return records.open(bytes).certify()
}

describe('a signed peer record', () => {
  it('is opened and certified', async () => {
    const bytes = await envelope(alice, { addresses: 3, sequence: 42n })
    const opened = new PeerRecords(10).open(bytes)

    expect(opened.peerId.equals(alice.peerId)).toBe(true)
    expect(await opened.certify()).toEqual({
      peerId: alice.peerId,
      multiaddrs: ['/ip4/10.0.0.0/tcp/4042', '/ip4/10.0.0.1/tcp/4042', '/ip4/10.0.0.2/tcp/4042'].map(address => multiaddr(address)),
      sequence: 42n,
      domain: 'libp2p-peer-record',
      envelope: bytes
    })
  })

  it('is what sealPeerRecord makes', async () => {
    const record = { peerId: alice.peerId, multiaddrs: [multiaddr('/ip4/10.0.0.1/tcp/4001')], sequence: 7n }
    const bytes = await sealPeerRecord(record, alice.privateKey)

    expect(await certify(new PeerRecords(10), bytes)).toMatchObject(record)
  })

  it.each(['RSA', 'secp256k1'] as const)('may be signed with %s', async type => {
    const privateKey = await generateKeyPair(type as 'secp256k1', type === 'RSA' ? 2048 as never : undefined as never)
    const peerId = peerIdFromPrivateKey(privateKey)
    const bytes = await sealPeerRecord({ peerId, multiaddrs: [multiaddr('/ip4/10.0.0.1/tcp/4001')], sequence: 7n }, privateKey)

    expect(await certify(new PeerRecords(10), bytes)).toMatchObject({ sequence: 7n })
  })

  it('may have 64 addresses', async () => {
    await expect(certify(new PeerRecords(10), await envelope(alice, { addresses: 64 }))).resolves.toBeDefined()
  })

  it('may have fields that nobody knows yet', async () => {
    const payload = Uint8Array.from([...new PeerRecord({ peerId: alice.peerId, multiaddrs: [multiaddr('/ip4/10.0.0.1/tcp/1')] }).marshal(), 0x7a, 1, 1])
    const bytes = Uint8Array.from([...await envelope(alice, { payload }), 0x7a, 1, 1])

    await expect(certify(new PeerRecords(10), bytes)).resolves.toMatchObject({ envelope: bytes })
  })

  it('is a copy of what it was opened from', async () => {
    const bytes = await envelope(alice)
    const buffer = new Uint8Array(10_000)
    buffer.set(bytes, 5_000)
    const opened = new PeerRecords(10).open(buffer.subarray(5_000, 5_000 + bytes.length))
    const certified = await opened.certify()
    buffer.fill(0)

    expect(certified.envelope).toEqual(bytes)
    expect(certified.envelope.buffer.byteLength).toBe(bytes.length)
  })
})

describe('the key of a record', () => {
  it('is told where its signature is to be verified', async () => {
    const records = new PeerRecords(10)
    const bytes = await envelope(alice)

    expect(records.known(bytes)).toBeUndefined()
    expect(records.open(bytes).key?.equals(alice.privateKey.publicKey)).toBe(true)
    await certify(records, bytes)
    expect(records.known(bytes)?.peerId.equals(alice.peerId)).toBe(true)
    expect(records.open(bytes).key).toBeUndefined()
  })
})

describe('a record that is refused', () => {
  it('is refused for a reason that can be told', async () => {
    for (const [name, bytes, says] of await badRecords(alice, bob)) {
      await expect(async () => certify(new PeerRecords(10), bytes), name)
        .rejects.toThrow(expect.objectContaining({ name: 'InvalidRecordError', message: expect.stringMatching(says) }))
    }
  })

  it('is refused again, however often it comes', async () => {
    const records = new PeerRecords(10)

    for (const [name, bytes] of await badRecords(alice, bob)) {
      await expect(async () => certify(records, bytes), name).rejects.toThrow()
      await expect(async () => certify(records, bytes), name).rejects.toThrow()
    }
  })

  it('is refused without looking at its signature, unless that is all there is to find', async () => {
    const verified = verifications()

    for (const [name, bytes, says] of await badRecords(alice, bob)) {
      const before = verified.count
      await expect(async () => certify(new PeerRecords(10), bytes), name).rejects.toThrow()
      expect(verified.count - before, name).toBe(says.source.includes('signature') ? 1 : 0)
    }
  })

  it('is refused when cut off anywhere', async () => {
    const bytes = await envelope(alice)

    for (let length = 0; length < bytes.length; length++) {
      await expect(async () => certify(new PeerRecords(10), bytes.slice(0, length))).rejects.toThrow(expect.objectContaining({ name: 'InvalidRecordError' }))
    }
  })

  it('is refused with any bit changed', async () => {
    const bytes = await envelope(alice)

    for (let place = 0; place < bytes.length; place++) {
      const changed = bytes.slice()
      changed[place]! ^= 1 << place % 8

      await expect(async () => certify(new PeerRecords(10), changed), `byte ${place}`).rejects.toThrow(expect.objectContaining({ name: 'InvalidRecordError' }))
    }
  })

  it('is known by a name', () => {
    expect(InvalidRecordError.name).toBe('InvalidRecordError')
  })

  it('is refused whatever options it is certified with', async () => {
    const short = RecordEnvelope.createFromProtobuf(await envelope(alice))
    short.signature = short.signature.slice(1)

    await expect(new PeerRecords(10).open(short.marshal()).certify({})).rejects.toThrow('the signature does not match the record')
  })

  it('stops verifying when it is told to', async () => {
    vi.spyOn(RecordEnvelope.prototype, 'validate').mockImplementation(async (_, options) => {
      options?.signal?.throwIfAborted()

      return true
    })
    const opened = new PeerRecords(10).open(await envelope(alice))

    await expect(opened.certify({ signal: AbortSignal.abort() })).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }))
  })
})

describe('a record that is known', () => {
  it('is not verified again', async () => {
    const verified = verifications()
    const records = new PeerRecords(10)
    const bytes = await envelope(alice)
    const first = await certify(records, bytes)

    expect(await certify(records, bytes.slice())).toBe(first)
    expect(verified.count).toBe(1)
  })

  it('is the same byte for byte: what ends like it is verified', async () => {
    const verified = verifications()
    const records = new PeerRecords(10)
    const bytes = await envelope(alice)
    await certify(records, bytes)
    const changed = bytes.slice()
    changed[changed.length - 80]! ^= 1

    await expect(async () => certify(records, changed)).rejects.toThrow()
    // an unknown field that ends as the signature does
    const tail = bytes.slice(-32)
    const padded = Uint8Array.from([...await envelope(bob), 0x7a, 32, ...tail])
    expect(await certify(records, padded)).toMatchObject({ peerId: bob.peerId })
    expect(verified.count).toBe(2)
    expect(await certify(records, bytes)).toMatchObject({ peerId: alice.peerId })
  })

  it('is not known before its signature was verified', async () => {
    const verified = verifications()
    const records = new PeerRecords(10)
    const bytes = await envelope(alice)
    records.open(bytes)
    await certify(records, bytes)

    expect(verified.count).toBe(1)
  })

  it('is one of as many as there is room for, and those before make room', async () => {
    const records = new PeerRecords(4)
    const all = await Promise.all(Array.from({ length: 9 }, async (_, i) => envelope(alice, { sequence: BigInt(i) })))
    const verified = verifications()
    const certifyAll = async (some: Uint8Array[]): Promise<number> => {
      for (const bytes of some) {
        await certify(records, bytes)
      }

      return verified.count
    }

    expect(await certifyAll(all.slice(0, 4))).toBe(4)
    expect(await certifyAll(all.slice(0, 4))).toBe(4)
    expect(await certifyAll(all.slice(4))).toBe(9)
    expect(await certifyAll(all.slice(4, 8))).toBe(9)
    expect(await certifyAll(all.slice(0, 4))).toBe(13)
  })

  it('takes no more room when it is used again', async () => {
    const records = new PeerRecords(4)
    const other = await envelope(bob)
    const used = await envelope(alice)
    const verified = verifications()
    await certify(records, other)

    for (let time = 0; time < 20; time++) {
      await certify(records, used)
    }

    await certify(records, other)
    expect(verified.count).toBe(2)
  })

  it('stays known while it is used, and those that are not make room', async () => {
    const records = new PeerRecords(4)
    const all = await Promise.all(Array.from({ length: 12 }, async (_, i) => envelope(alice, { sequence: BigInt(i) })))
    const verified = verifications()
    const [used, ...others] = all as [Uint8Array, ...Uint8Array[]]
    await certify(records, used)

    for (const bytes of others) {
      await certify(records, bytes)
      await certify(records, used)
    }

    expect(verified.count).toBe(12)
    await certify(records, others[0] as Uint8Array)
    expect(verified.count).toBe(13)
  })

  it('takes the room of several when it is large', async () => {
    const records = new PeerRecords(32)
    const large = await Promise.all(Array.from({ length: 8 }, async (_, i) => envelope(alice, { sequence: BigInt(i), addresses: 64 })))

    for (const bytes of large) {
      await certify(records, bytes)
    }

    const verified = verifications()
    await certify(records, large[0] as Uint8Array)
    expect(verified.count).toBe(1)
  })
})

describe('the form of a record', () => {
  it.each(['libp2p-peer-record', 'libp2p-routing-state'] as const)('is told from its envelope: %s', async domain => {
    const bytes = await sealPeerRecord({ peerId: alice.peerId, multiaddrs: [multiaddr('/ip4/10.0.0.1/tcp/4001')], sequence: 1n, domain }, alice.privateKey)

    expect(new PeerRecords(10).open(Uint8Array.from([0x7a, 2, 1, 1, ...bytes]))).toMatchObject({ domain })
    expect(await new PeerRecords(10).open(bytes).certify()).toMatchObject({ domain })
  })

  it('is that of RFC 0003 where it is called so', async () => {
    const bytes = await sealPeerRecord({ peerId: alice.peerId, multiaddrs: [], sequence: 1n, domain: 'libp2p-routing-state' }, alice.privateKey)

    expect(new TextDecoder().decode(RecordEnvelope.createFromProtobuf(bytes).payloadType)).toBe('/libp2p/routing-state-record')
  })

  it('is one of two', () => {
    expect(otherDomain('libp2p-peer-record')).toBe('libp2p-routing-state')
    expect(otherDomain('libp2p-routing-state')).toBe('libp2p-peer-record')
    expect(() => { checkDomain('libp2p-routing-state') }).not.toThrow()
    expect(() => { checkDomain('other') }).toThrow(expect.objectContaining({
      name: 'InvalidParametersError',
      message: 'recordDomain must be one of libp2p-peer-record and libp2p-routing-state, not other'
    }))
  })
})
