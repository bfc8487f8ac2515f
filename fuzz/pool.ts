import { generateKeyPairFromSeed, privateKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { multiaddr } from '@multiformats/multiaddr'
import { sealPeerRecord } from '../src/protocol/peer-record.ts'
import type { PeerId, PrivateKey } from '@libp2p/interface'

/** Someone who registers. To sign takes long, so everything is signed once. */
export interface Peer {
  peerId: PeerId
  /** Where they connect from. */
  address: string
  envelopes: Uint8Array[]
}

/** Networks that share what there is at each width, and some that have no address. */
const ADDRESSES = [
  '/ip4/8.1.1.1/tcp/1', '/ip4/8.1.1.1/tcp/2', '/ip4/8.1.1.2/tcp/1', '/ip4/8.1.2.1/tcp/1', '/ip4/8.1.2.1/tcp/3', '/ip4/8.2.1.1/tcp/1', '/ip4/9.1.1.1/tcp/1',
  '/ip6/2001:db8:1:1::1/tcp/1', '/ip6/2001:db8:1:2::1/tcp/1', '/ip6/2001:db8:2:1::1/tcp/1', '/memory/1'
]

/** The last one has a key that takes ten times as long to verify with. */
export const PEERS: Peer[] = await Promise.all(ADDRESSES.map(async (address, i) => {
  const seed = new Uint8Array(32).fill(i + 1)
  const key = i === ADDRESSES.length - 1 ? privateKeyFromRaw(seed) : await generateKeyPairFromSeed('Ed25519', seed)

  return { peerId: peerIdFromPrivateKey(key), address, envelopes: await envelopesOf(key) }
}))

async function envelopesOf (key: PrivateKey): Promise<Uint8Array[]> {
  const peerId = peerIdFromPrivateKey(key)
  const seal = async (sequence: bigint, domain: 'libp2p-peer-record' | 'libp2p-routing-state', addresses: string[]): Promise<Uint8Array> =>
    Uint8Array.from(await sealPeerRecord({ peerId, multiaddrs: addresses.map(address => multiaddr(address)), sequence, domain }, key))

  return Promise.all([
    seal(1n, 'libp2p-peer-record', ['/ip4/192.0.2.1/tcp/4001']),
    seal(1n, 'libp2p-routing-state', ['/ip4/192.0.2.1/tcp/4001']),
    seal(2n, 'libp2p-peer-record', ['/ip4/192.0.2.2/udp/4001/quic-v1', `/dns4/example.org/tcp/443/wss/p2p/${peerId}`, '/ip6/2001:db8::1/tcp/1']),
    seal(2n ** 64n - 1n, 'libp2p-routing-state', Array.from({ length: 40 }, (_, i) => `/ip4/192.0.2.3/tcp/${i + 1}`)),
    // one that leads to somebody else
    seal(3n, 'libp2p-peer-record', ['/ip4/192.0.2.4/tcp/1', '/ip4/192.0.2.5/tcp/1/p2p/12D3KooWRBy97UB99e3J6hiPesre1MZeuNQvfan4gBziswrRJsNK']),
    // and one that cannot be shown
    seal(4n, 'libp2p-peer-record', ['/ip4/192.0.2.4/tcp/1', '/dns4/\u202egro.elpmaxe/tcp/1'])
  ])
}

/** The envelope that no point takes. */
export const UNSOUND = 5

/** What another library says of each envelope. */
const certified = new Map<string, PeerId | undefined>()

for (const { peerId, envelopes } of PEERS) {
  envelopes.forEach(envelope => { certified.set(keyOf(envelope), peerId) })
}

/** The peer who signed it, by a library that is not the one under test; undefined when nobody has. */
export async function signerOf (envelope: Uint8Array): Promise<PeerId | undefined> {
  const key = keyOf(envelope)

  if (!certified.has(key)) {
    certified.set(key, await certify(envelope))
  }

  return certified.get(key)
}

async function certify (envelope: Uint8Array): Promise<PeerId | undefined> {
  for (const domain of ['libp2p-peer-record', 'libp2p-routing-state']) {
    try {
      const { payload } = await RecordEnvelope.openAndCertify(Uint8Array.from(envelope), domain)

      return PeerRecord.createFromProtobuf(payload).peerId
    } catch {}
  }
}

/** Whether it is one that was made here, with which nothing is wrong. */
export function isPooled (envelope: Uint8Array): boolean {
  return PEERS.some(({ envelopes }) => envelopes.some(other => Buffer.compare(envelope, other) === 0))
}

function keyOf (bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}
