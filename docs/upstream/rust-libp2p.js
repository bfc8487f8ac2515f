/**
 * What docs/upstream/rust-libp2p.md tells, shown with rust-libp2p's own rendezvous client and server. The
 * program that runs those is built, and its path printed, by `npm run interop -- --build --only rust`:
 *
 *   node docs/upstream/rust-libp2p.js PATH
 */

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import * as lp from 'it-length-prefixed'
import { createLibp2p } from 'libp2p'

const DRIVER = process.argv[2]

if (DRIVER == null) {
  console.error('usage: node docs/upstream/rust-libp2p.js PATH')
  process.exit(2)
}

const FORMS = {
  'libp2p-routing-state': new TextEncoder().encode('/libp2p/routing-state-record'),
  'libp2p-peer-record': Uint8Array.of(3, 1)
}

/** An address of a protocol that nobody has heard of: code 4,000, without a value. */
const UNKNOWN_ADDRESS = Uint8Array.of(0xa0, 0x1f)

async function seal (domain, keyType = 'Ed25519', address = multiaddr('/ip4/192.0.2.1/tcp/4001')) {
  const privateKey = await generateKeyPair(keyType)
  const record = new PeerRecord({ peerId: peerIdFromPrivateKey(privateKey), multiaddrs: [address], seqNumber: 1n })
  record.domain = domain
  record.codec = FORMS[domain]

  return (await RecordEnvelope.seal(record, privateKey)).marshal()
}

/** A field of protobuf with bytes, or with a number below 2^14. */
function field (number, value) {
  const varint = n => n < 128 ? [n] : [n & 127 | 128, n >> 7]

  return typeof value === 'number' ? [...varint(number << 3), ...varint(value)] : [...varint(number << 3 | 2), ...varint(value.length), ...value]
}

/** DISCOVER_RESPONSE: OK, a cookie, and these records in the namespace `ns`. */
function listing (records) {
  const registrations = records.map(record => field(1, [...field(1, Buffer.from('ns')), ...field(2, record), ...field(3, 7_200)]))

  return Uint8Array.from([...field(1, 4), ...field(6, [...registrations.flat(), ...field(2, Buffer.from('12345678ns')), ...field(3, 0)])])
}

/** A rust-libp2p peer, which answers each command with a line. */
async function driver (...args) {
  const child = spawn(DRIVER, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => JSON.parse((await lines.next()).value)
  const ready = await next()

  return {
    address: ready.addresses?.[0],
    do: async command => {
      child.stdin.write(`${JSON.stringify(command)}\n`)

      return next()
    },
    end: () => { child.stdin.end() }
  }
}

const readable = await seal('libp2p-routing-state')
const CASES = {
  'one record that it reads': [readable],
  'and one of the form that go-libp2p and js-libp2p sign': [readable, await seal('libp2p-peer-record')],
  'and one with an address that it does not know': [readable, await seal('libp2p-routing-state', 'Ed25519', { bytes: UNKNOWN_ADDRESS })],
  'and one that was signed with an RSA key': [readable, await seal('libp2p-routing-state', 'RSA')],
  'and one that was signed with a secp256k1 key': [readable, await seal('libp2p-routing-state', 'secp256k1')]
}

console.log('A client of rust-libp2p is listed')

for (const [name, records] of Object.entries(CASES)) {
  const point = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() }
  })
  await point.handle('/rendezvous/1.0.0', async stream => {
    stream.addEventListener('message', () => {
      stream.send(lp.encode.single(listing(records)))
      stream.close().catch(() => {})
    }, { once: true })
  })
  const client = await driver('client', String(point.getMultiaddrs()[0]))
  const { ok, registrations, status, error } = await client.do({ cmd: 'discover', ns: 'ns' })
  console.log(`  ${name}: ${ok ? `it finds ${registrations.length}` : `it fails: ${status ?? error}`}`)
  client.end()
  await point.stop()
}

console.log('At a point of rust-libp2p that lets a peer have one registration')
const point = await driver('server', '--max-per-peer', '1')
const client = await driver('client', point.address)

for (const what of ['the first time', 'to renew it']) {
  const { ok, status, error } = await client.do({ cmd: 'register', ns: 'ns', ttl: 7_200 })
  console.log(`  registering ${what}: ${ok ? 'granted' : `refused: ${status ?? error}`}`)
}

client.end()
point.end()
