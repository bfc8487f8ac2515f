import { bodyLimit } from 'hono/body-limit'
import { Hono } from 'hono'
import { base64, base64url } from 'multiformats/bases/base64'
import { askerOf } from './asker.ts'
import { besides, OPEN_TO_PAGES } from './cors.ts'
import { BadRequest } from './errors.ts'
import { eventStream } from './events.ts'
import { namesOf, onlyOwnHosts } from './hosts.ts'
import { openapi } from './openapi.ts'
import { PROOF_HEADER, provedBy } from './proof.ts'
import { RecordTexts } from './records.ts'
import { Remembered } from './remembered.ts'
import { parsePeer } from './routing.ts'
import { servingNode } from './serving-point.ts'
import { HEARTBEAT, Sightings } from './sightings.ts'
import type { HttpEnv, HttpSources, HttpValues } from './types.ts'
import type { PeerId } from '@libp2p/interface'
import type { Context } from 'hono'
import type { StoredRegistration } from 'libp2p-rendezvous'

/** Registrations on a page. */
const MOST = 100

/** Bytes of what is announced: two records of 4 KiB in base64, and what is around them. */
const MAX_BODY = 16 * 1024

const NO_STORE = { ...OPEN_TO_PAGES, 'cache-control': 'no-store' }
const JSON_HEADERS = { ...NO_STORE, 'content-type': 'application/json' }

/** How often an event stream says something at the least, in milliseconds. */
const MAX_KEEP_ALIVE = 15_000

/** How what is said of a peer ends that was never seen. */
const NEVER_SEEN = ',"online":false,"lastSeen":null}'

const multibase = base64url.decoder.or(base64.decoder)

/**
 * A registry over HTTP: who is in a network, which is a namespace, and to announce oneself there. What it says of itself is at
 * `/openapi.json`.
 */
export function registryRoutes (sources: HttpSources, values: HttpValues): Hono<HttpEnv> {
  const texts = new RecordTexts()
  const seen = new Sightings()
  const asker = askerOf(values.trustedProxy)
  const ownHosts = onlyOwnHosts(namesOf(values))
  // sooner than a connection on which nothing moves is closed
  const keepAlive = Math.min(MAX_KEEP_ALIVE, 2 * (values.requestTimeout ?? Infinity))

  const serving = (): ReturnType<typeof servingNode> => {
    const node = servingNode(sources, values)
    seen.follow(node)

    return node
  }

  /** Who asks, as it proves. */
  const prover = async (c: Context<HttpEnv>): Promise<PeerId> => {
    const { peerId, services: { rendezvousPoint } } = serving()
    const asked = { method: c.req.method, path: pathOf(c), point: peerId.toString() }

    return provedBy(c.req.header(PROOF_HEADER), asked, Date.now(), key => { rendezvousPoint.verifying(key, asker(c)) })
  }

  /**
   * What is said of a registration whose peer was never seen. Through bytes, a text is in one piece: a page is put together of
   * a hundred, and would otherwise be of a thousand pieces each time.
   */
  const registered = new Remembered((registration: StoredRegistration) => {
    const { addressesJson, envelope } = texts.of(registration)

    return Buffer.from(`{"peerId":"${registration.peer}","expires":"${iso(registration.expires)}","addresses":${addressesJson},"signedPeerRecord":"${envelope}"${NEVER_SEEN}`).toString()
  }, text => text.length)

  const peerJson = (registration: StoredRegistration, now: number): string => {
    const text = registered.of(registration)
    const lastSeen = seen.lastSeen(registration.peer, now)

    return lastSeen == null ? text : `${text.slice(0, -NEVER_SEEN.length)},"online":${seen.isOnline(registration.peer, now)},"lastSeen":"${iso(lastSeen)}"}`
  }

  const peersJson = (registrations: StoredRegistration[], now: number): string => `"peers":[${registrations.map(registration => peerJson(registration, now)).join(',')}]`

  const app = new Hono<HttpEnv>()
  const only = (path: string, ...methods: string[]): void => { besides(app, path, methods, { headers: 'Authorization, Content-Type, Last-Event-ID, Peer-Proof' }) }

  only('/network/:network/active-peers', 'GET')
  app.get('/network/:network/active-peers', async c => {
    const limit = limitOf(c.req.query('limit'))
    const { registrations, cookie } = await serving().services.rendezvousPoint.list({ namespace: namespaceOf(c), cookie: cookieOf(c.req.query('cookie')), limit }, asker(c))
    const now = Date.now()

    return new Response(`{${peersJson(registrations, now)},"cookie":"${base64url.encode(cookie)}","more":${registrations.length >= limit}}`, { headers: JSON_HEADERS })
  })

  only('/network/:network/peer/:peer', 'GET')
  app.get('/network/:network/peer/:peer', async c => {
    const peer = parsePeer(segment(c, 4))
    const [registration] = await serving().services.rendezvousPoint.find(peer, namespaceOf(c), asker(c))
    const now = Date.now()

    if (registration == null) {
      throw new BadRequest(404, 'this peer is not registered in this network')
    }

    return new Response(peerJson(registration, now), { headers: JSON_HEADERS })
  })

  only('/network/:network/announce', 'POST', 'DELETE')
  app.use('/network/:network/announce', ownHosts, bodyLimit({ maxSize: MAX_BODY, onError: () => { throw new BadRequest(413, `there may be ${MAX_BODY} bytes at the most`) } }))
  app.post('/network/:network/announce', async c => {
    const namespace = namespaceOf(c)
    const peer = await prover(c)
    const announced = await announcementOf(c)
    const { expires } = await serving().services.rendezvousPoint.register({ namespace, ...announced }, asker(c, peer))
    const now = Date.now()
    seen.note(peer.toString(), now)

    return c.json({ peerId: peer.toString(), ttl: Math.round((expires - now) / 1_000), expires: iso(expires) }, 200, NO_STORE)
  })
  app.delete('/network/:network/announce', async c => {
    const namespace = namespaceOf(c)
    const peer = await prover(c)

    if (!await serving().services.rendezvousPoint.unregister(namespace, asker(c, peer))) {
      throw new BadRequest(404, 'this peer is not registered in this network')
    }

    return c.body(null, 204, NO_STORE)
  })

  only('/network/:network/events', 'GET')
  app.get('/network/:network/events', async c => {
    const headers = { ...NO_STORE, 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' }

    // nobody would take anything of a stream
    if (c.req.method === 'HEAD') {
      return c.body(null, 200, headers)
    }

    const cookie = cookieOf(c.req.header('last-event-id') ?? c.req.query('cookie'))
    const news = serving().services.rendezvousPoint.watch(namespaceOf(c), cookie, { ...asker(c), signal: c.req.raw.signal })

    return c.body(await eventStream(news, keepAlive, ({ registrations, gone, resync, more, cookie }) => {
      const now = Date.now()

      return {
        id: base64url.encode(cookie),
        data: `{${peersJson(registrations, now)},"gone":${JSON.stringify(gone)},"resync":${resync},"more":${more}}`
      }
    }), 200, headers)
  })

  only('/coordinator/heartbeat', 'POST')
  app.use('/coordinator/heartbeat', ownHosts)
  app.post('/coordinator/heartbeat', async c => {
    const peer = await prover(c)
    const registrations = await serving().services.rendezvousPoint.find(peer.toString(), undefined, asker(c, peer))

    // of others there is nothing to remember, and whoever likes makes as many as they like
    if (registrations.length > 0) {
      seen.note(peer.toString(), Date.now())
    }

    return c.json({ peerId: peer.toString(), networks: registrations.map(({ namespace, expires }) => ({ network: namespace, expires: iso(expires) })), interval: HEARTBEAT }, 200, NO_STORE)
  })

  only('/openapi.json', 'GET')
  app.get('/openapi.json', c => c.json(openapi, 200, OPEN_TO_PAGES))

  return app
}

/** As it was asked for, with its escapes. */
function pathOf (c: Context<HttpEnv>): string {
  const { url } = c.req
  const start = url.indexOf('/', url.indexOf('//') + 2)
  const end = url.slice(start).search(/[?#]/)

  return end === -1 ? url.slice(start) : url.slice(start, start + end)
}

/** A part of the path; a slash in it is written as `%2F`. */
function segment (c: Context<HttpEnv>, place: number): string {
  try {
    return decodeURIComponent(pathOf(c).split('/')[place] ?? '')
  } catch {
    throw new BadRequest(400, 'the path has an escape that is none')
  }
}

function namespaceOf (c: Context<HttpEnv>): string {
  return segment(c, 2)
}

function limitOf (text = String(MOST)): number {
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0

  if (limit < 1) {
    throw new BadRequest(400, 'limit is a whole number of at least 1')
  }

  return Math.min(limit, MOST)
}

function cookieOf (text: string | undefined): Uint8Array | undefined {
  return text == null || text === '' ? undefined : decode(text, 'the cookie')
}

async function announcementOf (c: Context<HttpEnv>): Promise<{ signedPeerRecord: Uint8Array, otherSignedPeerRecord?: Uint8Array, ttl?: number }> {
  const body: unknown = await c.req.json().catch(() => undefined)

  if (typeof body !== 'object' || body == null || !('signedPeerRecord' in body)) {
    throw new BadRequest(400, 'there has to be JSON with a signedPeerRecord')
  }

  const { signedPeerRecord, otherSignedPeerRecord, ttl } = body as Record<string, unknown>

  if (ttl != null && !(Number.isSafeInteger(ttl) && ttl as number >= 0)) {
    throw new BadRequest(400, 'ttl is a whole number of seconds')
  }

  return {
    signedPeerRecord: decode(signedPeerRecord, 'signedPeerRecord'),
    ...(otherSignedPeerRecord == null ? {} : { otherSignedPeerRecord: decode(otherSignedPeerRecord, 'otherSignedPeerRecord') }),
    ...(ttl == null ? {} : { ttl: ttl as number * 1_000 })
  }
}

function decode (text: unknown, what: string): Uint8Array {
  try {
    return multibase.decode(text as string)
  } catch {
    throw new BadRequest(400, `${what} is no multibase in base64url (u…) or base64 (m…)`)
  }
}

function iso (time: number): string {
  return new Date(time).toISOString()
}
