import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { rendezvousClient } from 'libp2p-rendezvous'
import { Nodes, addressOf } from './context.ts'
import { implementations } from './drivers.ts'

const nodes = new Nodes()
const point = await nodes.ourPointForAll()
const readers: Record<string, any> = {
  rust: await nodes.client(implementations.rust, point, '--listen', '--identify', 'late'),
  go: await nodes.client(implementations.go, point, '--listen'),
  canvas: await nodes.client(implementations.canvas, point, '--listen')
}
const P = '12D3KooWK5Wn1tCnBPFnxrsMxmF5EEBNS8iCiNoLb2UY4BpQCrJt'
const CH = 'uEiDDq4_xNyDorZBH3TlGazyJdOWSwvo4PUo5YHFMrvDE8g'
const addresses = [
  '/ip4/1.2.3.4/tcp/1', '/ip6/2001:db8::1/tcp/1', '/ip6zone/eth0/ip6/fe80::1/tcp/1', '/ip4/1.2.3.4/udp/1/quic-v1', '/ip4/1.2.3.4/udp/1/quic',
  `/ip4/1.2.3.4/udp/1/quic-v1/webtransport/certhash/${CH}`, `/ip4/1.2.3.4/udp/1/webrtc-direct/certhash/${CH}`, `/ip4/1.2.3.4/udp/1/webrtc-direct/certhash/${CH}/p2p/${P}`,
  `/ip4/1.2.3.4/tcp/1/p2p/${P}/p2p-circuit`, `/ip4/1.2.3.4/tcp/1/p2p/${P}/p2p-circuit/webrtc`, '/dns4/a.example/tcp/443/wss', '/dns/a.example/tcp/443/tls/ws', '/dns6/a.example/tcp/443/tls/sni/a.example/ws',
  '/dnsaddr/a.example', '/ip4/1.2.3.4/tcp/1/http', '/ip4/1.2.3.4/tcp/1/https', '/dns/a.example/tcp/443/tls/http/http-path/a%2Fb', '/ip4/1.2.3.4/ipcidr/24', '/unix/a', '/ip4/1.2.3.4/tcp/1/noise',
  '/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:1234', '/ip4/1.2.3.4/sctp/1', '/ip4/1.2.3.4/dccp/1', '/ip4/1.2.3.4/udp/1/utp', '/ip4/1.2.3.4/udp/1/udt', '/memory/1234567', '/memory/12',
  '/ip4/1.2.3.4/tcp/1/ws/p2p-webrtc-star', '/ip4/1.2.3.4/tcp/1/ws/p2p-stardust', '/ip4/1.2.3.4/tcp/1/p2p-websocket-star', '/ip4/1.2.3.4/tcp/1/p2p-webrtc-direct', '/ip4/1.2.3.4/tcp/1/thread/' + P, '/ip4/1.2.3.4/tcp/1/webrtc'
]
async function client (init: any, announce: string[], keyType: any = 'Ed25519') {
  const node = await createLibp2p({
    privateKey: await generateKeyPair(keyType, 2048 as any),
    addresses: { listen: [], announce }, transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()],
    services: { identify: identify(), rendezvous: rendezvousClient({ points: [addressOf(point)], ...init }) }
  })
  return node
}
async function probe (what: string, ns: string, make: () => Promise<any>) {
  let line = what.padEnd(90)
  let node
  try {
    node = await make()
    await node.services.rendezvous.register(ns)
    line += ' registered;'
  } catch (err: any) {
    line += ` REFUSED: ${err.statusText ?? err.message}`
    await node?.stop()
    console.log(line)
    return
  }
  for (const [name, reader] of Object.entries(readers)) {
    const a = await reader.do('discover', { ns })
    line += ` ${name}: ${a.ok ? `${a.registrations.length} (${a.registrations.map((r: any) => r.addresses?.length)})` : `FAILS ${a.status ?? a.error}`};`
  }
  console.log(line)
  await node.stop()
}
let i = 0
for (const key of ['secp256k1', 'RSA']) {
  await probe(`key ${key}`, `key-${key}`, async () => client({}, ['/ip4/1.2.3.4/tcp/1'], key))
}
for (const a of addresses) {
  await probe(a, `ns-${i++}`, async () => client({}, [a]))
}
await nodes.end()
process.exit()
