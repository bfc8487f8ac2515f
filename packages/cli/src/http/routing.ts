import { peerIdFromString } from '@libp2p/peer-id'
import { Hono } from 'hono'
import { base36 } from 'multiformats/bases/base36'
import { base58btc } from 'multiformats/bases/base58'
import { base32 } from 'multiformats/bases/base32'
import { CID } from 'multiformats/cid'
import { askerOf } from './asker.ts'
import { besides, OPEN_TO_PAGES } from './cors.ts'
import { BadRequest } from './errors.ts'
import { filterAddresses, parseFilter, wantsUnknownProtocols } from './filters.ts'
import { RecordTexts } from './records.ts'
import { servingNode } from './serving-point.ts'
import type { HttpEnv, HttpSources, HttpValues } from './types.ts'
import type { Filter } from './filters.ts'
import type { Asker, RendezvousPoint, StoredRegistration } from 'libp2p-rendezvous'
import type { Context } from 'hono'

/** Records in an answer that comes in one piece, and in one that comes line by line. */
const MOST = 100
const MOST_LINES = 1_000

/** How long an answer is good, in seconds: one with nothing, and at the most. */
const NOTHING_FOR = 15
const ANYTHING_FOR = 300

/** The codec of blocks of which nothing else is known. */
const RAW = 0x55
const IDENTITY = 0x00

/** The usual form of a peer id, which need not be read to be looked for. */
const ED25519 = /^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/

const NDJSON = 'application/x-ndjson'

/** What is answered: registrations, and what of them is wanted. */
interface Answer {
  key: 'Peers' | 'Providers'
  first: StoredRegistration[]
  /** The pages behind. */
  rest?: AsyncGenerator<StoredRegistration[], void>
}

/**
 * The delegated routing API (https://specs.ipfs.tech/routing/http-routing-v1/), so that whoever speaks HTTP alone finds peers by
 * their ids, and who has a block. Which registrations these are is what docs/routing.md of the library says.
 */
export function routingRoutes (sources: HttpSources, values: HttpValues): Hono<HttpEnv> {
  const texts = new RecordTexts()
  const asker = askerOf(values.trustedProxy)
  const point = (): RendezvousPoint => servingNode(sources, values).services.rendezvousPoint
  const app = new Hono<HttpEnv>()

  const answer = (c: Context<HttpEnv>, { key, first, rest }: Answer): Response => {
    const filter = parseFilter(c.req.query('filter-addrs'))
    const isWanted = wantsUnknownProtocols(parseFilter(c.req.query('filter-protocols')))
    const listed = isWanted ? first : []
    const now = Date.now()
    const headers = {
      ...OPEN_TO_PAGES,
      'cache-control': cacheControl(listed, values.network != null, now),
      'last-modified': httpDate(now),
      vary: values.network == null ? 'Accept' : 'Accept, Authorization'
    }
    const records = (registrations: StoredRegistration[]): string[] => registrations.map(registration => peerRecord(registration, texts, filter)).filter(text => text !== '')

    if (wantsLines(c.env.incoming.headers.accept)) {
      const lines = records(listed).map(line => `${line}\n`).join('')

      return new Response(rest == null || !isWanted ? lines : linesOf(lines, rest, records), { headers: { ...headers, 'content-type': NDJSON } })
    }

    return new Response(`{"${key}":[${records(listed).join(',')}]}`, { headers: { ...headers, 'content-type': 'application/json' } })
  }

  app.get('/routing/v1/peers/:peer', async c => {
    const peer = parsePeer(c.req.param('peer'))
    const registrations = await point().find(peer, undefined, asker(c))
    // what it has registered last is where it is now
    const newest = registrations.reduce<StoredRegistration | undefined>((a, b) => a == null || b.sequence > a.sequence ? b : a, undefined)

    return answer(c, { key: 'Peers', first: newest == null ? [] : [newest] })
  })
  app.get('/routing/v1/providers/:cid', async c => {
    const namespace = namespaceOf(c.req.param('cid'))

    if (namespace == null) {
      return answer(c, { key: 'Providers', first: [] })
    }

    const who = asker(c)
    const isLined = wantsLines(c.env.incoming.headers.accept)
    const serving = point()
    // of more than can be told in one piece, not always the same
    const { registrations, cookie } = await serving.list({ namespace, limit: MOST, sample: !isLined }, who)
    const rest = isLined && registrations.length >= MOST ? pages(serving, namespace, cookie, who) : undefined

    return answer(c, { key: 'Providers', first: registrations, ...(rest == null ? {} : { rest }) })
  })
  // of the specification, and nothing that registrations could answer
  app.on(['GET', 'HEAD', 'PUT'], ['/routing/v1/ipns/*', '/routing/v1/dht/*'], () => { throw new BadRequest(501, 'this point routes to peers and providers') })

  for (const path of ['/routing/v1/peers/:peer', '/routing/v1/providers/:cid']) {
    besides(app, path, ['GET'], { headers: 'Accept, Authorization, Content-Type', refuse: c => { throw new BadRequest(501, `there is no ${c.req.method} here`) } })
  }

  return app
}

/** A record of the schema `peer`; empty where it is not wanted. */
function peerRecord (registration: StoredRegistration, texts: RecordTexts, filter: Filter | undefined): string {
  const { addresses, addressesJson, protocols, envelope } = texts.of(registration)
  let json = addressesJson

  if (filter != null) {
    const isWanted = filterAddresses(protocols, filter)

    if (isWanted == null) {
      return ''
    }

    json = JSON.stringify(addresses.filter((_, index) => isWanted[index]))
  }

  return `{"Schema":"peer","ID":"${registration.peer}","Addrs":${json},"Protocols":[],"SignedPeerRecord":"${envelope}"}`
}

/** Whether lines are asked for; who does not say it gets one piece. */
function wantsLines (accept = ''): boolean {
  // most do not
  if (!accept.includes('ndjson')) {
    return false
  }

  const qualities = new Map(accept.toLowerCase().split(',').map(range => {
    const [type = '', ...parameters] = range.split(';').map(part => part.trim())
    const q = parameters.find(parameter => parameter.startsWith('q='))

    return [type, q == null ? 1 : Number(q.slice(2))]
  }))
  const lines = qualities.get(NDJSON) ?? 0

  return lines > 0 && lines >= (qualities.get('application/json') ?? 0)
}

/** One line after the other, as fast as they are read. */
function linesOf (first: string, rest: AsyncGenerator<StoredRegistration[], void>, records: (registrations: StoredRegistration[]) => string[]): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()

  return new ReadableStream({
    start: controller => { controller.enqueue(encoder.encode(first)) },
    pull: async controller => {
      // what was told is good, so who cannot be told more is told no more
      const { done, value } = await rest.next().catch(() => ({ done: true, value: undefined }))

      if (done === true || value == null) {
        controller.close()
      } else {
        controller.enqueue(encoder.encode(records(value).map(line => `${line}\n`).join('')))
      }
    },
    cancel: async () => { await rest.return() }
  }, { highWaterMark: 0 })
}

async function * pages (point: RendezvousPoint, namespace: string, cookie: Uint8Array, asker: Asker): AsyncGenerator<StoredRegistration[], void> {
  for (let told = MOST; told < MOST_LINES; told += MOST) {
    const page = await point.list({ namespace, cookie, limit: MOST }, asker)
    cookie = page.cookie

    if (page.registrations.length > 0) {
      yield page.registrations
    }

    if (page.registrations.length < MOST) {
      return
    }
  }
}

/** As long as what is listed is, and not too long, for others come and go. */
function cacheControl (listed: StoredRegistration[], isPrivate: boolean, now: number): string {
  if (isPrivate) {
    return 'private, no-store'
  }

  const lifetimes = listed.map(({ expires }) => Math.max(0, Math.floor((expires - now) / 1_000)))
  const [shortest, longest] = lifetimes.length === 0 ? [NOTHING_FOR, NOTHING_FOR] : [Math.min(ANYTHING_FOR, ...lifetimes), Math.max(...lifetimes)]

  return `public, max-age=${shortest}, stale-while-revalidate=${longest}, stale-if-error=${longest}`
}

/** The last second, as headers have it: many are answered in one. */
let lastDate = { second: 0, text: '' }

function httpDate (now: number): string {
  const second = Math.floor(now / 1_000)

  if (second !== lastDate.second) {
    lastDate = { second, text: new Date(now).toUTCString() }
  }

  return lastDate.text
}

/**
 * A peer id in its usual form.
 *
 * @throws {BadRequest}
 */
export function parsePeer (text: string): string {
  if (ED25519.test(text)) {
    return text
  }

  try {
    return peerIdFromString(text).toString()
  } catch {
    throw new BadRequest(422, 'this is no peer id: it is a multihash in base58btc, or a CID with the codec libp2p-key')
  }
}

/**
 * Where the providers of a block are registered; undefined for one that is its own CID, which nobody provides.
 *
 * @throws {BadRequest}
 */
function namespaceOf (text: string): string | undefined {
  try {
    const { multihash } = CID.parse(text, base32.decoder.or(base36.decoder).or(base58btc.decoder) as any)

    return multihash.code === IDENTITY ? undefined : CID.createV1(RAW, multihash).toString(base32)
  } catch {
    throw new BadRequest(422, 'this is no CID')
  }
}
