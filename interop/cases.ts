import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core'
import { persistentStore } from 'libp2p-rendezvous'
import { HOUR, Measured, OUR_ADDRESS, addressOf, discover, idsOf, portOf, refusal, until } from './context.ts'
import type { Client, Context } from './context.ts'
import type { Answer, Driver, Name } from './drivers.ts'
import type { Connection } from '@libp2p/interface'
import type { DiscoveredPeer, RendezvousClientInit } from 'libp2p-rendezvous'

/** Throws when something is wrong; otherwise says what happened, which the README holds the record of. */
export type Case = (context: Context) => Promise<string>

export type Direction = typeof directions[number]

export const directions = ['our client → their point', 'their client → our point'] as const

const LONG_NAMESPACE = 'x'.repeat(256)
const MIB = 1024 * 1024

/** In seconds, as on the wire. */
const TTL = 2 * 60 * 60

/** A fill makes hundreds of connections. */
const FILL_TIMEOUT = 120_000

/** Addresses that make a record as large as the implementation's point accepts, or 5 KB. */
const LARGE: Record<Name, number> = { rust: 3_500, go: 2_000, python: 0, canvas: 0 }

/** What makes our client's records unreadable to the implementation. */
const OTHER_FORM: RendezvousClientInit = { recordDomain: 'libp2p-routing-state', bothForms: false }
const otherForm = (name: Name): RendezvousClientInit => name === 'rust' ? { bothForms: false } : OTHER_FORM

interface PageOptions { limit?: number, cookie?: Uint8Array | undefined }

/** One page from the only point there is. */
async function page (client: Client, point: Driver | Parameters<typeof addressOf>[0], namespace?: string, { limit, cookie }: PageOptions = {}): Promise<{ peers: DiscoveredPeer[], cookie?: Uint8Array | undefined }> {
  return await client.services.rendezvous.discoverPage(namespace, {
    point: multiaddr(addressOf(point)),
    ...(limit == null ? {} : { limit }),
    ...(cookie == null ? {} : { cookie })
  })
}

/** Registers, or ends the case with how that was refused. */
async function register (client: Client, namespace: string): Promise<void> {
  try {
    await client.services.rendezvous.register(namespace)
  } catch (err: any) {
    const [reason] = err.errors ?? [err]
    throw reason.status == null ? err : new Measured(`register is refused with ${reason.status}: ${reason.statusText}`)
  }
}

function accepted (answer: Answer): Answer {
  ok(answer.ok, `refused: ${JSON.stringify(answer)}`)

  return answer
}

function bytesOf (peers: DiscoveredPeer[]): number {
  return peers.reduce((sum, peer) => sum + peer.peerRecordEnvelope.byteLength, 0)
}

const ourClient: Record<string, Case> = {
  'register and discover': async c => {
    const point = await c.theirPoint()
    const [a, b] = [await c.ourClient(point), await c.ourClient(point)]
    await register(a, 'ns')
    const found = await discover(b, 'ns')
    deepEqual(idsOf(found), [a.peerId.toString()])
    deepEqual(found[0]?.multiaddrs.map(String), [OUR_ADDRESS])
    equal(found[0]?.namespace, 'ns')
    deepEqual(await discover(a, 'ns'), [], 'a peer finds itself')
    deepEqual(await discover(a, 'nobody'), [])

    return 'ok'
  },

  'many addresses': async c => {
    const point = await c.theirPoint()
    const names = Array.from({ length: 60 }, (_, i) => `/dns4/${'long.'.repeat(9)}${i + 10}.example/tcp/4001`)
    const [a, other] = [await c.ourClient(point, {}, names), await c.ourClient(point)]
    await register(a, 'ns')
    const [found] = await discover(other, 'ns')
    ok(found != null && found.multiaddrs.length > 10)

    return 'ok; as many as the smallest of the other points accepts'
  },

  'two namespaces': async c => {
    const point = await c.theirPoint()
    const [a, b, other] = [await c.ourClient(point), await c.ourClient(point), await c.ourClient(point)]
    await register(a, 'one')
    await register(a, 'two')
    await register(b, 'two')
    deepEqual(idsOf(await discover(other, 'one')), idsOf([{ id: a.peerId }]))
    deepEqual(idsOf(await discover(other, 'two')), idsOf([{ id: a.peerId }, { id: b.peerId }]))

    return 'ok'
  },

  'no namespace': async c => {
    const point = await c.theirPoint()
    const [a, b, other] = [await c.ourClient(point), await c.ourClient(point), await c.ourClient(point)]
    await register(a, 'one')
    await register(a, 'two')
    await register(b, 'two')
    deepEqual(idsOf(await discover(other)), idsOf([{ id: a.peerId }, { id: b.peerId }]))
    const { peers } = await page(other, point)
    deepEqual(idsOf(peers), idsOf([{ id: a.peerId }, { id: a.peerId }, { id: b.peerId }]))
    const namespaces = peers.map(peer => peer.namespace).sort()

    if (new Set(namespaces).size === 1) {
      return 'ok; the point names the last namespace in every entry'
    }

    deepEqual(namespaces, ['one', 'two', 'two'])

    return 'ok'
  },

  unregister: async c => {
    const point = await c.theirPoint()
    const [a, b, other] = [await c.ourClient(point), await c.ourClient(point), await c.ourClient(point)]
    await register(a, 'ns')
    await register(b, 'ns')
    await a.services.rendezvous.unregister('ns')
    await until('the one that unregistered is gone', 5, async () => idsOf((await page(other, point, 'ns')).peers).join() === b.peerId.toString())
    await b.stop()
    await until('the one that stopped is gone', 5, async () => (await page(other, point, 'ns')).peers.length === 0)

    return 'ok'
  },

  refresh: async c => {
    const point = await c.theirPoint(...(c.theirs.name === 'rust' ? ['--min-ttl', '1'] : []))
    const [a, other] = [await c.ourClient(point), await c.ourClient(point)]
    await a.services.rendezvous.register('ns', { ttl: 4_000 })
    const before = await page(other, point, 'ns')
    // what lives for so short is not renewed by itself
    await sleep(2_500)
    await a.services.rendezvous.register('ns', { ttl: 4_000 })
    // past the lifetime of the first registration
    await sleep(2_500)
    deepEqual(idsOf((await page(other, point, 'ns')).peers), [a.peerId.toString()])
    const { peers } = await page(other, point, 'ns', { cookie: before.cookie })
    deepEqual(idsOf(peers), [a.peerId.toString()], 'a poller does not learn of the refresh')

    return 'ok'
  },

  'refresh with all registrations of a peer used': async c => {
    if (c.theirs.name !== 'rust') {
      return 'not possible: its limit cannot be set'
    }

    const point = await c.theirPoint('--max-per-peer', '1')
    const a = await c.ourClient(point)
    await register(a, 'ns')

    return `refused: ${await refusal(a.services.rendezvous.register('ns', { ttl: 3 * HOUR }))}`
  },

  'TTL refused': async c => {
    const a = await c.ourClient(await c.theirPoint())
    const outcome = `above 72 h: ${await refusal(a.services.rendezvous.register('long', { ttl: 73 * HOUR }))}`

    return `${outcome}; 1 minute: ${await refusal(a.services.rendezvous.register('short', { ttl: 60_000 }))}`
  },

  'namespace too long': async c => {
    const point = await c.theirPoint()
    const a = await c.ourClient(point)
    await register(a, LONG_NAMESPACE.slice(1))
    equal(await refusal(a.services.rendezvous.register(LONG_NAMESPACE)), 'InvalidParametersError')
    equal(await refusal(discover(a, LONG_NAMESPACE)), 'InvalidParametersError')

    return 'our client does not send it'
  },

  'paging: 250 by 100, then what is new': async c => {
    const point = await c.theirPoint()
    const reader = await c.ourClient(point)
    accepted(await (await c.theirClient(point)).do('fill', { ns: 'ns', ttl: TTL, count: 250 }, FILL_TIMEOUT))
    const sizes: number[] = []
    const peers = new Set<string>()
    let cookie: Uint8Array | undefined

    for (let i = 0; i < 4; i++) {
      const next = await page(reader, point, 'ns', { limit: 100, cookie })
      sizes.push(next.peers.length)
      next.peers.forEach(peer => peers.add(peer.id.toString()))
      cookie = next.cookie
    }

    deepEqual(sizes, [100, 100, 50, 0])
    equal(peers.size, 250)
    const late = [await c.ourClient(point), await c.ourClient(point), await c.ourClient(point)]

    for (const client of late) {
      await register(client, 'ns')
    }

    deepEqual(idsOf((await page(reader, point, 'ns', { limit: 100, cookie })).peers), idsOf(late.map(client => ({ id: client.peerId }))))
    equal((await discover(reader, 'ns')).length, 253)

    return 'ok'
  },

  'cookie of another namespace': async c => {
    const point = await c.theirPoint()
    const a = await c.ourClient(point)
    await register(a, 'one')
    await register(a, 'two')
    const { cookie } = await page(a, point, 'one')

    return `refused: ${await refusal(page(a, point, 'two', { cookie }))}`
  },

  'cookie with an empty listing': async c => {
    const point = await c.theirPoint()
    const { cookie } = await page(await c.ourClient(point), point, 'nobody')

    return cookie == null ? 'the point sends none' : 'ok'
  },

  'response near 1 MiB': async c => {
    const point = await c.theirPoint()
    const reader = await c.ourClient(point)
    const filler = await c.theirClient(point)
    const fill = async (ns: string, count: number): Promise<void> => {
      accepted(await filler.do('fill', { ns, ttl: TTL, count, addressBytes: LARGE[c.theirs.name] }, FILL_TIMEOUT))
    }
    await fill('one', 1)
    const size = bytesOf((await page(reader, point, 'one')).peers)
    ok(size > 0, 'nothing is found')
    const below = Math.floor(0.98 * MIB / (size + 16))
    await fill('near', below)
    const near = await page(reader, point, 'near', { limit: 1_000 })
    equal(near.peers.length, below)
    ok(bytesOf(near.peers) > 0.95 * MIB)

    // and what the point does when one page would be more
    const above = Math.ceil(1.2 * MIB / size)
    await fill('over', above)
    const start = Date.now()
    const over = await page(reader, point, 'over', { limit: 1_000 }).then(({ peers }) => peers.length === above ? 'sent whole' : 'sent in part', err => `no answer, ${err.status ?? err.name}`)
    ok(Date.now() - start < 5_000, 'it hangs')
    equal((await discover(reader, 'over')).length, above, 'not everybody is found')

    return `ok; over 1 MiB: ${over}`
  },

  'one connection, many requests': async c => {
    const point = await c.theirPoint()
    const a = await c.ourClient(point)
    await page(a, point, 'ns')
    const [connection] = a.getConnections() as [Connection]
    const newStream = connection.newStream.bind(connection)
    // the one that is open, if it still is
    let streams = connection.streams.filter(({ protocol, status }) => protocol === '/rendezvous/1.0.0' && status === 'open').length

    connection.newStream = async (...args) => {
      streams++

      return newStream(...args)
    }

    for (let i = 0; i < 200; i++) {
      await page(a, point, 'ns')
    }

    deepEqual(a.getConnections().map(({ id }) => id), [connection.id])

    if (streams === 1) {
      return 'ok; one stream for all of them'
    }

    ok(streams >= 200, `${streams} streams for 200 requests`)

    return 'ok; a stream for each'
  },

  'point restarted between requests': async c => {
    const first = await c.theirPoint('--seed', '7')
    const [a, other] = [await c.ourClient(first), await c.ourClient(first)]
    await register(a, 'ns')
    const { cookie } = await page(other, first, 'ns')
    await first.stop()
    const second = await c.theirPoint('--seed', '7', '--port', String(portOf(first)))
    equal(second.peerId, first.peerId)
    await until('registered again without being told to', 45, async () => {
      const { peers } = await page(other, second, 'ns').catch(() => ({ peers: [] }))
      return peers.length === 1
    })
    const stale = await page(other, second, 'ns', { cookie }).then(({ peers }) => peers.length === 1 ? 'lists from the beginning' : 'hides what is registered now', err => err.status ?? err.name)
    deepEqual(idsOf(await discover(other, 'ns')), [a.peerId.toString()])

    return `ok; the cookie from before: ${stale}`
  }
}

const ourPoint: Record<string, Case> = {
  'register and discover': async c => {
    const point = await c.ourPoint()
    const [their, ours] = [await c.theirClient(point), await c.ourClient(point)]
    equal(accepted(await their.do('register', { ns: 'ns', ttl: TTL })).ttl, TTL)
    await register(ours, 'ns')
    const found = await discover(ours, 'ns')
    deepEqual(idsOf(found), [their.peerId])
    deepEqual(found[0]?.multiaddrs.map(String), ['/ip4/127.0.0.1/tcp/20000'])
    const listed = accepted(await their.do('discover', { ns: 'ns' })).registrations ?? []
    deepEqual(idsOf(listed), idsOf([{ id: ours.peerId }, { peer: their.peerId }]))
    deepEqual(listed.find(({ peer }) => peer === ours.peerId.toString())?.addresses, [OUR_ADDRESS])
    deepEqual(accepted(await their.do('discover', { ns: 'nobody' })).registrations, [])

    return 'ok'
  },

  'a record of the other form in the listing': async c => {
    const point = await c.ourPoint()
    const [their, ours] = [await c.theirClient(point), await c.ourClient(point, otherForm(c.theirs.name))]
    accepted(await their.do('register', { ns: 'ns', ttl: TTL }))
    await register(ours, 'ns')
    const { ok, registrations, status } = await their.do('discover', { ns: 'ns' })

    if (!ok) {
      return `their client fails to read the listing: ${status}`
    }

    deepEqual(idsOf(registrations ?? []), [their.peerId])

    return 'ok; their client finds those it can read'
  },

  'two namespaces': async c => {
    const point = await c.ourPoint()
    const [a, b] = [await c.theirClient(point), await c.theirClient(point)]
    accepted(await a.do('register', { ns: 'one', ttl: TTL }))
    accepted(await a.do('register', { ns: 'two', ttl: TTL }))
    accepted(await b.do('register', { ns: 'two', ttl: TTL }))
    deepEqual(idsOf((await b.do('discover', { ns: 'one' })).registrations ?? []), [a.peerId])
    deepEqual(idsOf((await b.do('discover', { ns: 'two' })).registrations ?? []), [a.peerId, b.peerId].sort())

    return 'ok'
  },

  'no namespace': async c => {
    const point = await c.ourPoint()
    const [a, b] = [await c.theirClient(point), await c.theirClient(point)]
    accepted(await a.do('register', { ns: 'one', ttl: TTL }))
    accepted(await b.do('register', { ns: 'two', ttl: TTL }))
    const { registrations = [] } = accepted(await b.do('discover'))
    deepEqual(registrations.map(({ peer, ns }) => `${ns} ${peer}`).sort(), [`one ${a.peerId}`, `two ${b.peerId}`])

    return 'ok'
  },

  unregister: async c => {
    const point = await c.ourPoint()
    const their = await c.theirClient(point)
    accepted(await their.do('register', { ns: 'ns', ttl: TTL }))
    accepted(await their.do('unregister', { ns: 'ns' }))
    accepted(await their.do('unregister', { ns: 'never registered' }))
    await until('the one that unregistered is gone', 5, async () => (await their.do('discover', { ns: 'ns' })).registrations?.length === 0)

    return 'ok'
  },

  'unregister with an empty namespace': async c => {
    const point = await c.ourPoint()
    const [their, other] = [await c.theirClient(point), await c.theirClient(point)]
    accepted(await their.do('register', { ns: 'one', ttl: TTL }))
    accepted(await their.do('register', { ns: 'two', ttl: TTL }))
    accepted(await other.do('register', { ns: 'two', ttl: TTL }))
    accepted(await their.do('unregister', { ns: '' }))
    await until('all of its registrations are gone', 5, async () => point.services.rendezvousPoint.size.registrations === 1)

    return 'ok; of all of its namespaces'
  },

  refresh: async c => {
    const point = await c.ourPoint({ maxRegistrationsPerPeer: 1 })
    const their = await c.theirClient(point)
    accepted(await their.do('register', { ns: 'ns', ttl: TTL }))
    const { cookie } = accepted(await their.do('discover', { ns: 'ns' }))
    equal(accepted(await their.do('register', { ns: 'ns', ttl: 2 * TTL })).ttl, 2 * TTL)
    const { registrations = [] } = accepted(await their.do('discover', { ns: 'ns' }))
    equal(registrations.length, 1)
    ok(registrations[0]?.ttl != null && registrations[0].ttl > TTL)
    equal((await their.do('discover', { ns: 'ns', cookie })).registrations?.length, 1, 'a poller does not learn of the refresh')

    return 'ok'
  },

  'TTL refused': async c => {
    const their = await c.theirClient(await c.ourPoint())
    equal((await their.do('register', { ns: 'ns', ttl: 60 })).status, 'E_INVALID_TTL')
    equal((await their.do('register', { ns: 'ns', ttl: 73 * 60 * 60 })).status, 'E_INVALID_TTL')

    return 'refused: E_INVALID_TTL'
  },

  'namespace too long': async c => {
    const their = await c.theirClient(await c.ourPoint())
    accepted(await their.do('register', { ns: LONG_NAMESPACE.slice(1), ttl: TTL }))
    const { status } = await their.do('register', { ns: LONG_NAMESPACE, ttl: TTL })

    return status == null ? 'their client does not send it' : `refused: ${status}`
  },

  'paging: 250 by 100, then what is new': async c => {
    const point = await c.ourPoint()
    const their = await c.theirClient(point)
    accepted(await their.do('fill', { ns: 'ns', ttl: TTL, count: 250 }, FILL_TIMEOUT))
    const sizes: number[] = []
    const peers = new Set<string>()
    let cookie: string | undefined

    for (let i = 0; i < 4; i++) {
      const next = accepted(await their.do('discover', { ns: 'ns', limit: 100, cookie }))
      sizes.push(next.registrations?.length ?? 0)
      next.registrations?.forEach(({ peer }) => peers.add(peer))
      cookie = next.cookie
    }

    deepEqual(sizes, [100, 100, 50, 0])
    equal(peers.size, 250)
    const late = [await c.ourClient(point), await c.ourClient(point), await c.ourClient(point)]

    for (const client of late) {
      await register(client, 'ns')
    }

    const { registrations = [] } = await their.do('discover', { ns: 'ns', limit: 100, cookie })
    deepEqual(idsOf(registrations), idsOf(late.map(client => ({ id: client.peerId }))))

    return 'ok'
  },

  'cookie of another namespace': async c => {
    const their = await c.theirClient(await c.ourPoint())
    accepted(await their.do('register', { ns: 'one', ttl: TTL }))
    const { cookie } = await their.do('discover', { ns: 'one' })
    equal((await their.do('discover', { ns: 'two', cookie })).status, 'E_INVALID_COOKIE')
    equal((await their.do('discover', { cookie })).status, 'E_INVALID_COOKIE')

    return 'refused: E_INVALID_COOKIE'
  },

  'cookie with an empty listing': async c => {
    const their = await c.theirClient(await c.ourPoint())
    const { cookie } = accepted(await their.do('discover', { ns: 'nobody' }))
    ok(cookie != null && cookie.length >= 16)
    accepted(await their.do('discover', { ns: 'nobody', cookie }))

    return 'ok'
  },

  'response near 1 MiB': async c => {
    const point = await c.ourPoint()
    const [their, ours] = [await c.theirClient(point), await c.ourClient(point)]
    const count = 300
    accepted(await their.do('fill', { ns: 'ns', ttl: TTL, count, addressBytes: 3_500 }, FILL_TIMEOUT))
    const first = accepted(await their.do('discover', { ns: 'ns', limit: 1_000 }))
    const rest = accepted(await their.do('discover', { ns: 'ns', limit: 1_000, cookie: first.cookie }))
    equal(new Set(idsOf([...first.registrations ?? [], ...rest.registrations ?? []])).size, count)
    const { peers } = await page(ours, point, 'ns', { limit: 1_000 })
    equal(peers.length, first.registrations?.length)
    ok(bytesOf(peers) > 0.95 * MIB && bytesOf(peers) <= MIB, `a page of ${bytesOf(peers)} bytes`)

    return 'ok; the page ends below 1 MiB'
  },

  'one connection, many requests': async c => {
    const point = await c.ourPoint()
    const their = await c.theirClient(point)
    await their.do('discover', { ns: 'ns' })
    const before = point.getConnections().map(connection => connection.id)

    for (let i = 0; i < 200; i++) {
      accepted(await their.do('discover', { ns: 'ns' }))
    }

    equal(before.length, 1)
    deepEqual(point.getConnections().map(connection => connection.id), before)
    // a client that resets or abandons its streams must not make them pile up
    await until('the streams are closed', 5, async () => point.getConnections().flatMap(connection => connection.streams).length === 0)

    if (c.theirs.name !== 'go') {
      return 'ok; a stream for each'
    }

    // its own loop asks for page after page on one stream
    accepted(await their.do('fill', { ns: 'all', ttl: TTL, count: 250 }, FILL_TIMEOUT))
    const { registrations = [] } = accepted(await their.do('discoverAll', { ns: 'all', count: 250 }))
    equal(new Set(idsOf(registrations)).size, 250)

    return 'ok; a stream for each, or one for all pages of its own loop'
  },

  'point restarted between requests': async c => {
    const key = await generateKeyPair('Ed25519')
    const outcomes: string[] = []

    for (const [name, init] of [
      ['memory', () => ({})],
      ['persistent', (datastore: MemoryDatastore) => ({ store: persistentStore({ datastore }) })]
    ] as const) {
      const datastore = new MemoryDatastore()
      const first = await c.ourPoint(init(datastore), 0, key)
      const their = await c.theirClient(first)
      accepted(await their.do('register', { ns: 'ns', ttl: TTL }))
      const { cookie } = accepted(await their.do('discover', { ns: 'ns' }))
      const port = portOf(first)
      await first.stop()
      await c.ourPoint(init(datastore), port, key)

      if (c.theirs.name === 'rust') {
        // it learns of that with its next turn, and until then asks on the connection that it had
        accepted(await their.do('disconnected'))
      }

      const stale = await their.do('discover', { ns: 'ns', cookie })
      outcomes.push(`${name} store: ${stale.status ?? 'cookie still valid'}`)
      equal((await their.do('discover', { ns: 'ns' })).registrations?.length, name === 'memory' ? 0 : 1)
      accepted(await their.do('register', { ns: 'ns', ttl: TTL }))
      equal((await their.do('discover', { ns: 'ns' })).registrations?.length, 1)
    }

    return `ok; ${outcomes.join('; ')}`
  }
}

/** py-libp2p exchanges no signed peer record, so only what needs none of them can work. */
const nothingRegistered: Case = async () => 'not possible: neither side accepts the other\'s registrations'

const ourClientPython: Record<string, Case> = {
  ...Object.fromEntries(Object.keys(ourClient).map(name => [name, nothingRegistered])),

  'register and discover': async c => {
    const point = await c.theirPoint()
    const [their, ours] = [await c.theirClient(point), await c.ourClient(point)]
    equal(await refusal(ours.services.rendezvous.register('ns')), 'E_NOT_AUTHORIZED')
    // what its own clients register is of no use to ours, and does no harm
    accepted(await their.do('register', { ns: 'ns', ttl: TTL }))
    deepEqual(await discover(ours, 'ns'), [])

    return 'register is refused: E_NOT_AUTHORIZED; its unsigned registrations are dropped'
  },

  'no namespace': async c => {
    const outcome = await refusal(discover(await c.ourClient(await c.theirPoint())))

    return outcome === 'not refused' ? 'its E_INVALID_NAMESPACE is taken for an empty listing' : `refused: ${outcome}`
  },

  unregister: async c => {
    const ours = await c.ourClient(await c.theirPoint())
    await ours.services.rendezvous.unregister('ns')
    deepEqual(await discover(ours, 'ns'), [])

    return 'ok; of nothing'
  },

  'TTL refused': async c => `refused: ${await refusal((await c.ourClient(await c.theirPoint())).services.rendezvous.register('ns', { ttl: 73 * HOUR }))}`,

  'namespace too long': async c => {
    const ours = await c.ourClient(await c.theirPoint())
    equal(await refusal(ours.services.rendezvous.register(LONG_NAMESPACE)), 'InvalidParametersError')

    return 'our client does not send it'
  },

  'cookie of another namespace': async c => {
    const point = await c.theirPoint()
    const [a, b, ours] = [await c.theirClient(point), await c.theirClient(point), await c.ourClient(point)]
    accepted(await a.do('register', { ns: 'one', ttl: TTL }))
    accepted(await b.do('register', { ns: 'one', ttl: TTL }))
    const { cookie } = await page(ours, point, 'one', { limit: 1 })
    ok(cookie != null)

    return `${await refusal(page(ours, point, 'two', { cookie }))}: its cookies are offsets and bound to nothing`
  },

  'cookie with an empty listing': ourClient['cookie with an empty listing'] as Case,

  'one connection, many requests': ourClient['one connection, many requests'] as Case,

  'point restarted between requests': async c => {
    const first = await c.theirPoint('--seed', '7')
    const ours = await c.ourClient(first)
    deepEqual((await page(ours, first, 'ns')).peers, [])
    await first.stop()
    await c.theirPoint('--seed', '7', '--port', String(portOf(first)))
    deepEqual((await page(ours, first, 'ns')).peers, [])

    return 'ok; an empty listing'
  }
}

const ourPointPython: Record<string, Case> = {
  ...Object.fromEntries(Object.keys(ourPoint).map(name => [name, nothingRegistered])),

  'register and discover': async c => {
    const point = await c.ourPoint()
    const [their, ours] = [await c.theirClient(point), await c.ourClient(point)]
    const { status, text } = await their.do('register', { ns: 'ns', ttl: TTL })
    // 101 has another name in the unsigned protocol
    equal(status, 'E_INVALID_PEER_INFO')
    match(text ?? '', /unsigned/)
    await register(ours, 'ns')
    const { registrations, error } = await their.do('discover', { ns: 'ns' })

    return `register is refused: E_INVALID_SIGNED_PEER_RECORD; a listing with a signed one fails at their client: ${error?.split(':')[0] ?? `${registrations?.length} peers`}`
  },

  unregister: async c => {
    const their = await c.theirClient(await c.ourPoint())
    accepted(await their.do('unregister', { ns: 'ns' }))
    deepEqual(accepted(await their.do('discover', { ns: 'ns' })).registrations, [])

    return 'ok; of nothing'
  },

  'TTL refused': async c => {
    const their = await c.theirClient(await c.ourPoint())
    // under two minutes and over three days its client sends nothing
    equal((await their.do('register', { ns: 'ns', ttl: TTL - 1 })).status, 'E_INVALID_TTL')

    return 'refused: E_INVALID_TTL'
  },

  'namespace too long': async c => {
    const their = await c.theirClient(await c.ourPoint())
    // its limit is 256 characters
    equal((await their.do('register', { ns: LONG_NAMESPACE, ttl: TTL })).status, 'E_INVALID_NAMESPACE')

    return 'refused: E_INVALID_NAMESPACE'
  },

  'cookie with an empty listing': ourPoint['cookie with an empty listing'] as Case,

  'one connection, many requests': ourPoint['one connection, many requests'] as Case,

  'point restarted between requests': async c => {
    const key = await generateKeyPair('Ed25519')
    const first = await c.ourPoint({}, 0, key)
    const their = await c.theirClient(first)
    const port = portOf(first)
    accepted(await their.do('discover', { ns: 'ns' }))
    await first.stop()
    await c.ourPoint({}, port, key)
    // it takes a while to notice that the connection is gone
    await until('it dials again', 10, async () => (await their.do('discover', { ns: 'ns' })).ok)

    return 'ok; an empty listing'
  }
}

const noCookies: Case = async () => 'not possible: its client sends and keeps no cookie, and so never sees a second page'

/** Canvas's client passes over itself, and names itself at the end of its addresses. */
const ourPointCanvas: Record<string, Case> = {
  ...ourPoint,

  'register and discover': async c => {
    const point = await c.ourPoint()
    const [their, ours] = [await c.theirClient(point), await c.ourClient(point)]
    equal(accepted(await their.do('register', { ns: 'ns', ttl: TTL })).ttl, TTL)
    await register(ours, 'ns')
    const found = await discover(ours, 'ns')
    deepEqual(idsOf(found), [their.peerId])
    deepEqual(found[0]?.multiaddrs.map(String), [`/ip4/127.0.0.1/tcp/20000/p2p/${their.peerId}`])
    const listed = accepted(await their.do('discover', { ns: 'ns' })).registrations
    deepEqual(listed?.map(({ peer, addresses }) => [peer, addresses]), [[ours.peerId.toString(), [OUR_ADDRESS]]])
    deepEqual(accepted(await their.do('discover', { ns: 'nobody' })).registrations, [])

    return 'ok'
  },

  'a record of the other form in the listing': async c => {
    const point = await c.ourPoint()
    const [a, b, ours] = [await c.theirClient(point), await c.theirClient(point), await c.ourClient(point, OTHER_FORM)]
    accepted(await b.do('register', { ns: 'ns', ttl: TTL }))
    await register(ours, 'ns')
    deepEqual(idsOf(accepted(await a.do('discover', { ns: 'ns' })).registrations ?? []), [b.peerId])

    return 'ok; their client finds those it can read'
  },

  'two namespaces': async c => {
    const point = await c.ourPoint()
    const [a, b] = [await c.theirClient(point), await c.theirClient(point)]
    accepted(await a.do('register', { ns: 'one', ttl: TTL }))
    accepted(await a.do('register', { ns: 'two', ttl: TTL }))
    accepted(await b.do('register', { ns: 'two', ttl: TTL }))
    deepEqual(idsOf((await b.do('discover', { ns: 'one' })).registrations ?? []), [a.peerId])
    deepEqual(idsOf((await a.do('discover', { ns: 'two' })).registrations ?? []), [b.peerId])

    return 'ok'
  },

  'no namespace': async () => 'not possible: its client always names one',

  unregister: async c => {
    const point = await c.ourPoint()
    const their = await c.theirClient(point)
    accepted(await their.do('register', { ns: 'ns', ttl: TTL }))
    accepted(await their.do('unregister', { ns: 'ns' }))
    // asked and answered after the stream of UNREGISTER has been closed
    accepted(await their.do('discover', { ns: 'ns' }))

    return point.services.rendezvousPoint.size.registrations === 0 ? 'ok' : 'lost: its client closes the stream before it has sent it'
  },

  'unregister with an empty namespace': async () => 'not possible: its client loses it',

  refresh: async c => {
    const point = await c.ourPoint({ maxRegistrationsPerPeer: 1 })
    const [their, ours] = [await c.theirClient(point), await c.ourClient(point)]
    accepted(await their.do('register', { ns: 'ns', ttl: TTL }))
    const { cookie } = await page(ours, point, 'ns')
    equal(accepted(await their.do('register', { ns: 'ns', ttl: 2 * TTL })).ttl, 2 * TTL)
    deepEqual(idsOf((await page(ours, point, 'ns', { cookie })).peers), [their.peerId])

    return 'ok'
  },

  'paging: 250 by 100, then what is new': noCookies,

  'cookie of another namespace': noCookies,

  'cookie with an empty listing': noCookies,

  'response near 1 MiB': noCookies,

  'point restarted between requests': async c => {
    const key = await generateKeyPair('Ed25519')
    const first = await c.ourPoint({}, 0, key)
    const their = await c.theirClient(first)
    accepted(await their.do('register', { ns: 'ns', ttl: TTL }))
    const port = portOf(first)
    await first.stop()
    const second = await c.ourPoint({}, port, key)
    await until('it registers again when told to', 10, async () => (await their.do('register', { ns: 'ns', ttl: TTL })).ok)
    equal(second.services.rendezvousPoint.size.registrations, 1)

    return 'ok'
  }
}

const cases: Record<Name, Record<Direction, Record<string, Case>>> = {
  rust: { 'our client → their point': ourClient, 'their client → our point': ourPoint },
  go: { 'our client → their point': ourClient, 'their client → our point': ourPoint },
  python: { 'our client → their point': ourClientPython, 'their client → our point': ourPointPython },
  // its point needs a compiled SQLite, which the driver does without
  canvas: { 'our client → their point': {}, 'their client → our point': ourPointCanvas }
}

export function casesOf (name: Name, direction: Direction): Record<string, Case> {
  return cases[name][direction]
}
