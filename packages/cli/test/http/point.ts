import { identify } from '@libp2p/identify'
import { createLibp2p } from 'libp2p'
import { rendezvousPoint } from 'libp2p-rendezvous'
import { prove } from '../../src/http/proof.ts'
import { startHttp } from '../../src/http/server.ts'
import { base } from '../../../../test/fixtures/nodes.ts'
import { envelope, identity } from '../../../../test/fixtures/records.ts'
import type { HttpServers, HttpSources, HttpValues } from '../../src/http/types.ts'
import type { Identity, RecordInit } from '../../../../test/fixtures/records.ts'
import type { RendezvousPointInit } from 'libp2p-rendezvous'

export type HttpNode = NonNullable<HttpSources['node']>

/** A point that is asked over HTTP. */
export interface HttpPoint {
  node: HttpNode
  url: string
}

const opened: Array<() => unknown> = []

export async function closeHttpPoints (): Promise<void> {
  for (const close of opened.splice(0).reverse()) {
    await close()
  }
}

export async function httpPoint (init: RendezvousPointInit = {}, values: HttpValues = {}): Promise<HttpPoint> {
  const node = await createLibp2p({ ...base(), services: { identify: identify(), rendezvousPoint: rendezvousPoint(init) } }) as unknown as HttpNode
  opened.push(async () => node.stop())
  const { url } = await httpFor({ node }, values)

  return { node, url }
}

export async function httpFor (sources: Partial<HttpSources>, values: HttpValues = {}): Promise<HttpServers & { url: string }> {
  const server = await startHttp({ http: { host: '127.0.0.1', port: 0 }, ...values }, { node: undefined, isHealthy: () => true, metrics: async () => ({ contentType: 'text/plain', text: '' }), ...sources })
  opened.push(() => { server.close() })

  return server as HttpServers & { url: string }
}

/** Somebody who asks, in the test. */
export interface Somebody extends Identity {
  id: string
  /** A record, as it is announced. */
  record: (init?: RecordInit) => Promise<string>
}

export async function somebody (): Promise<Somebody> {
  const who = await identity()

  return { ...who, id: who.peerId.toString(), record: async (init = {}) => `u${Buffer.from(await envelope(who, init)).toString('base64url')}` }
}

export interface Answer {
  status: number
  headers: Headers
  text: string
  json: any
}

export async function ask (url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, init)
  const text = await response.text()
  let json: unknown

  try {
    json = JSON.parse(text)
  } catch {}

  return { status: response.status, headers: response.headers, text, json }
}

/** A request that says who makes it. */
export async function askAs (who: Identity, { url, node }: HttpPoint, method: string, path: string, { body, at = Date.now(), headers = {} }: { body?: unknown, at?: number, headers?: Record<string, string> } = {}): Promise<Answer> {
  const proof = await prove(who.privateKey, { method, path, point: node.peerId.toString() }, at)

  return ask(`${url}${path}`, {
    method,
    headers: { 'peer-proof': proof, 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
}

/** Registers somebody, without HTTP. */
export async function register (point: HttpPoint, who: Somebody, namespace: string, init: RecordInit & { ttl?: number } = {}): Promise<void> {
  const { multiaddr } = await import('@multiformats/multiaddr')
  const { ttl, ...record } = init
  await point.node.services.rendezvousPoint.register({ namespace, signedPeerRecord: await envelope(who, record), ttl }, { origin: { remoteAddr: multiaddr('/ip4/198.51.100.7/tcp/1') }, peer: who.peerId })
}
