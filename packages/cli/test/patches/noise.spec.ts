import { generateKeyPair } from '@libp2p/crypto/keys'
import { defaultLogger } from '@libp2p/logger'
import { memory } from '@libp2p/memory'
import { noise } from '@libp2p/noise'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Uint8ArrayList } from 'uint8arraylist'
import { keepKeys, noiseThatKeepsKeys } from '../../src/patches/noise.ts'
import type { Libp2p } from '@libp2p/interface'

interface KeyPair { publicKey: Uint8Array, privateKey: Uint8Array }
interface Crypto { generateKeypair: () => KeyPair, dh: (own: KeyPair, publicKey: unknown) => Uint8Array }

const running: Libp2p[] = []
let components: Parameters<ReturnType<typeof noise>>[0]

beforeAll(async () => {
  const privateKey = await generateKeyPair('Ed25519')
  components = { privateKey, peerId: peerIdFromPrivateKey(privateKey), logger: defaultLogger(), upgrader: {} as any }
})

afterEach(async () => { await Promise.all(running.splice(0).map(async node => node.stop())) })

/** What the library has. */
function ofLibrary (): Crypto {
  return (noise()(components) as unknown as { crypto: Crypto }).crypto
}

function keeping (): Crypto {
  return (noiseThatKeepsKeys()(components) as unknown as { crypto: Crypto }).crypto
}

async function node (address: string, encrypter: ReturnType<typeof noise>): Promise<Libp2p> {
  const node = await createLibp2p({
    addresses: { listen: [address] },
    transports: [memory()],
    connectionEncrypters: [encrypter],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
    connectionMonitor: { enabled: false }
  })
  running.push(node)

  return node
}

describe('Noise that keeps its key objects', () => {
  it('agrees on what the library agrees on, with keys of either', () => {
    const theirs = ofLibrary()
    const ours = keeping()
    const [a, b] = [ours.generateKeypair(), theirs.generateKeypair()]

    const shared = new Uint8Array(theirs.dh(b, a.publicKey))

    // once with new key objects, and once with those that were kept
    for (const [own, publicKey] of [[a, b.publicKey], [b, a.publicKey], [a, b.publicKey], [b, a.publicKey]] as const) {
      expect(new Uint8Array(ours.dh(own, publicKey))).toEqual(shared)
    }

    expect(new Uint8Array(theirs.dh(a, b.publicKey))).toEqual(shared)
    expect(new Uint8Array(ours.dh(a, new Uint8ArrayList(b.publicKey.subarray(0, 5), b.publicKey.subarray(5))))).toEqual(shared)
  })

  it('makes keys of 32 bytes, other ones each time', () => {
    const crypto = keeping()
    const [a, b] = [crypto.generateKeypair(), crypto.generateKeypair()]

    expect(a.privateKey).toHaveLength(32)
    expect(a.publicKey).toHaveLength(32)
    expect(new Uint8Array(a.privateKey)).not.toEqual(new Uint8Array(b.privateKey))
    expect(new Uint8Array(a.publicKey)).not.toEqual(new Uint8Array(b.publicKey))
  })

  it('refuses a public key that agrees with none, as the library does', () => {
    const ours = keeping()
    const zero = new Uint8Array(32)

    expect(() => ofLibrary().dh(ours.generateKeypair(), zero)).toThrow()
    expect(() => ours.dh(ours.generateKeypair(), zero)).toThrow()
  })

  it('is met by a peer with the library, in both directions', async () => {
    const [ours, theirs] = await Promise.all([node('/memory/9000001', noiseThatKeepsKeys()), node('/memory/9000002', noise())])

    for (const [from, to] of [[ours, theirs], [theirs, ours]] as const) {
      const connection = await from.dial(to.getMultiaddrs())
      expect(connection.remotePeer.equals(to.peerId)).toBe(true)
      await connection.close()
    }
  })

  it('leaves alone what is not as expected', () => {
    const dh = (): Uint8Array => new Uint8Array()
    const crypto = { dh }

    keepKeys(crypto)
    keepKeys(undefined)

    expect(crypto).toEqual({ dh })
  })
})
