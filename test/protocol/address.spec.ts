import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { isSound, isSoundInRust } from '../../src/protocol/address.ts'
import { identity } from '../fixtures/records.ts'

const encoder = new TextEncoder()

/** A component of varying length, as it is on the wire. */
function component (code: number[], value: Uint8Array | number[]): number[] {
  return [...code, value.length, ...value]
}

const DNS4 = [0x36]
const SNI = [0xc1, 0x03]
const P2P = [0xa5, 0x03]
const CERTHASH = [0xd2, 0x03]
const MEMORY = [0x89, 0x06]
const UNIX = [0x90, 0x03]
const HTTP_PATH = [0xe1, 0x03]
const GARLIC64 = [0xbe, 0x03]
const TCP = [0x06, 0x10, 0x00]

function address (...components: number[][]): Uint8Array {
  return Uint8Array.from(components.flat())
}

function text (value: string): Uint8Array {
  return encoder.encode(value)
}

describe('an address that means the same to everybody', () => {
  it.each([
    '/ip4/192.0.2.1/tcp/4001', '/ip6/2001:db8::1/udp/4001/quic-v1', '/ip6zone/eth0/ip6/fe80::1/tcp/1', '/dns4/example.com/tcp/443/wss', '/dnsaddr/例え.example',
    '/ip4/192.0.2.1/tcp/443/tls/sni/example.com/ws', '/memory/1', '/unix/%2Ftmp%2Fsocket', '/ip4/192.0.2.1/tcp/443/tls/http/http-path/a%2Fb',
    '/ip4/192.0.2.1/udp/1/webrtc-direct/certhash/uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K_1aluKR_tpevQ', '/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:1234',
    '/dns/relay.example/tcp/1/p2p/QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC/p2p-circuit/webrtc'
  ])('is %s', text => {
    expect(isSound(multiaddr(multiaddr(text).bytes))).toBe(true)
  })

  it('may end in a peer id of any kind that is one', async () => {
    const { peerId } = await identity()

    expect(isSound(multiaddr(address(component(P2P, peerId.toMultihash().bytes))))).toBe(true)
    expect(isSound(multiaddr(`/p2p/${peerId}`))).toBe(true)
  })
})

describe('an address that does not', () => {
  it.each([
    ['is empty', address()],
    ['has a name that is not UTF-8', address(component(DNS4, [0x61, 0xff, 0x62]), TCP)],
    ['has an escape in a name', address(component(DNS4, text('\u001b[2Jevil')), TCP)],
    ['has a line in a name', address(component(DNS4, text('a\nb')), TCP)],
    ['has a separator of lines in a name', address(component(DNS4, text('a\u2028b')), TCP)],
    ['turns the direction of text', address(component(DNS4, text('a\u202eb')), TCP)],
    ['has another address in a name', address(component(DNS4, text('a/tcp/1')), TCP)],
    ['has an escape in another name', address(component(SNI, text('\u001b')))],
    ['has a memory address that is not UTF-8', address(component(MEMORY, [0xff]))],
    ['has a peer id that is no hash', address(component(P2P, [1, 2, 3]))],
    ['has a peer id that is cut off', address(component(P2P, [0x12, 0x20, ...new Uint8Array(31)]))],
    ['has a peer id of a short hash', address(component(P2P, [0x12, 0x10, ...new Uint8Array(16)]))],
    ['has a peer id of another hash', address(component(P2P, [0x13, 0x20, ...new Uint8Array(32)]))],
    ['has a peer id of a key that is too long', address(component(P2P, [0, 43, ...new Uint8Array(43)]))],
    ['has a certificate hash that is none', address(component(CERTHASH, [0x12, 0x20, 1]))],
    ['has a certificate hash that is too long', address(component(CERTHASH, [0x12, 65, ...new Uint8Array(65)]))],
    ['has a certificate hash of a long code', address(component(CERTHASH, [0x92, 1, 0]))],
    ['has an escape in a path', address(component(UNIX, text('/\u001b')))],
    ['has a path that begins nowhere', address(component(HTTP_PATH, text('a')))],
    ['has bytes that are taken for text', address(component(GARLIC64, text('garlic')))]
  ])('%s', (_, bytes) => {
    expect(isSound(multiaddr(bytes))).toBe(false)
  })
})

describe('an address that rust-libp2p reads, too', () => {
  it('has a memory address of eight bytes, if it has one', () => {
    expect(isSoundInRust(multiaddr('/ip4/192.0.2.1/tcp/4001'))).toBe(true)
    expect(isSoundInRust(multiaddr(multiaddr('/memory/1234567').bytes))).toBe(true)
    expect(isSoundInRust(multiaddr('/memory/123456'))).toBe(false)
    expect(isSoundInRust(multiaddr('/memory/12345678'))).toBe(false)
  })
})
