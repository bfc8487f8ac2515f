import assert from 'node:assert/strict'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { Discovered } from '../../src/client/discovered.ts'
import { Listings } from '../../src/client/listing.ts'
import { Records } from '../../src/client/records.ts'
import { Message } from '../../src/protocol/message.ts'
import { mutated } from '../fields.ts'
import { MESSAGE, NAMESPACES, pageOf, peerOf } from '../messages.ts'
import { isPooled, PEERS, signerOf } from '../pool.ts'
import { pointThatSays, refused } from '../remote.ts'
import { hex, unhex } from '../target.ts'
import type { Listed } from '../../src/client/listing.ts'
import type { Choice, Target } from '../target.ts'

const SECOND = 1_000
const HOUR = 60 * 60 * SECOND
const START = 1_750_000_000_000
const POINTS = ['/ip4/8.8.8.8/tcp/1', '/ip4/8.8.4.4/tcp/1', '/ip4/10.0.0.1/tcp/1']
const [SELF] = PEERS as [typeof PEERS[number]]

interface ListingMessage {
  /** Seconds since the message before. */
  pass: number
  /** Which of the points it is that says so. */
  point: number
  /** What it was asked for; null for all namespaces. */
  namespace: string | null
  limit: number
  response: string
  /** Instead of a response, that this peer is there no longer. */
  gone?: string
  isSound?: boolean
}

/** What points claim of a peer in a namespace, and when each claim ends. */
type Claims = Map<string, number>

/** What points list, as a client believes it, remembers and forgets it. */
export function listingTarget (): Target<ListingMessage> {
  // one for all runs, as it remembers what it has verified
  const records = new Records()
  const points = POINTS.map((_, i) => peerOf(5 + i).peerId)

  return {
    begin: () => {
      let now = START
      const known = new Map<string, Claims>()
      const newest = new Map<string, bigint>()
      const told = { everyone: new Set<string>(), watcher: new Set<string>() }
      const discovered = new Discovered({
        onNew: listed => { tellNew(told.everyone, listed) },
        onGone: listed => { tellGone(told.everyone, listed) }
      })
      discovered.watch({
        namespace: NAMESPACES[0] as string,
        onFound: listed => { told.watcher.add(nameOf(listed)) },
        onGone: listed => { tellGone(told.watcher, listed) }
      }, now)
      const listings = new Listings({
        self: SELF.peerId,
        records,
        addressOf: point => multiaddr(POINTS[points.findIndex(other => other.equals(point))] as string),
        onDropped: () => {}
      })

      const forget = (name: string): void => {
        const [peer] = name.split(' ') as [string]
        known.delete(name)

        if (![...known.keys()].some(other => other.startsWith(`${peer} `))) {
          newest.delete(peer)
        }
      }

      const sweep = (): void => {
        discovered.sweep(now)
        ;[...known].filter(([, claims]) => Math.max(...claims.values()) <= now).forEach(([name]) => { forget(name) })
      }

      const learn = (listed: Listed): void => {
        const name = nameOf(listed)
        const peer = listed.record.peerId.toString()
        const before = known.get(name)

        if (before != null && Math.max(...before.values()) <= now) {
          forget(name)
        }

        const claims = known.get(name) ?? new Map()
        claims.set(listed.point.toString(), listed.expires)
        known.set(name, claims)
        newest.set(peer, [newest.get(peer) ?? 0n, listed.record.sequence].reduce((a, b) => a > b ? a : b))
        const found = discovered.add(listed, now)
        assert.equal(found.record.sequence, newest.get(peer), 'a peer is known by its newest record')
        assert.equal(found.expires, Math.max(...claims.values()), 'a registration ends with the last claim')
      }

      const withdraw = (point: string, namespace: string, peer: string): void => {
        const name = `${peer} ${namespace}`
        const claims = known.get(name)

        if (claims?.delete(point) === true && claims.size === 0) {
          forget(name)
        }
      }

      const check = (): void => {
        const names = [...known.keys()].sort()
        assert.equal(discovered.size, names.length, 'how many are known')
        assert.deepEqual([...told.everyone].sort(), names, 'who was told of')
        assert.deepEqual([...told.watcher].sort(), names.filter(name => name.endsWith(` ${NAMESPACES[0]}`)), 'whom a watcher was told of')
        const alive = [...known].map(([name, claims]) => `${name} ${newest.get(name.split(' ', 1)[0] as string)} ${Math.max(...claims.values())}`).filter(text => Number(text.split(' ').at(-1)) > now)
        assert.deepEqual(discovered.peers(now).map(listed => `${nameOf(listed)} ${listed.record.sequence} ${listed.expires}`).sort(), alive.sort(), 'who is there')
        assert.ok(names.length === 0 || Number.isFinite(discovered.wakeAt), 'nobody is looked for again')
      }

      return {
        message: makeMessage,

        send: async ({ pass, point: which, namespace, limit, response, gone, isSound }) => {
          now += pass * SECOND
          const point = points[which] as typeof points[number]

          if (discovered.wakeAt <= now) {
            sweep()
            check()
          }

          if (gone != null) {
            discovered.withdraw(point, namespace ?? '', gone)
            withdraw(point.toString(), namespace ?? '', gone)
            check()

            return
          }

          const asked = namespace ?? undefined
          const page = await at(now, async () => refused(async () => listings.page(pointThatSays(point, unhex(response)), asked, limit, undefined)))
          assert.ok(isSound !== true || page != null, 'a sound page is refused')

          for (const listed of page?.listed ?? []) {
            await checkListed(listed, asked, now)
            learn(listed)
            check()
          }

          if (page != null && isSound === true) {
            const registrations = Message.decode(unhex(response)).discoverResponse?.registrations ?? []
            const sound = registrations.filter(({ signedPeerRecord, ttl }) => ttl !== 0n && isPooled(signedPeerRecord as Uint8Array) && !SELF.envelopes.some(own => Buffer.compare(own, signedPeerRecord as Uint8Array) === 0))
            assert.equal(page.listed.length, sound.length, 'sound registrations are dropped')
          }
        }
      }
    }
  }
}

function makeMessage (choice: Choice): ListingMessage {
  const { what, who, which, more, mutations } = choice
  const namespace = what % 4 === 3 ? undefined : NAMESPACES[what % 4] as string
  const limit = 1 + (more + 4) % 6
  const page = pageOf(choice, namespace)
  const bytes = mutated(Message.encode(page), () => Message.encode(pageOf({ ...choice, who: more, which: what, more: more + which }, namespace)), MESSAGE, mutations)

  return {
    pass: more % 7 === 6 ? more % 31 : 0,
    point: which % POINTS.length,
    namespace: namespace ?? null,
    limit,
    response: hex(bytes),
    ...(what === 19 ? { gone: peerOf(who).peerId.toString() } : {}),
    ...(mutations.length === 0 && (page.discoverResponse?.registrations.length ?? 0) <= limit ? { isSound: true } : {})
  }
}

/** Checks that it is what somebody has signed, of a namespace that was asked for, and can be shown and dialled. */
async function checkListed ({ record, namespace, ttl, expires }: Listed, asked: string | undefined, now: number): Promise<void> {
  const signer = await signerOf(record.envelope)
  assert.equal(signer?.toString(), record.peerId.toString(), 'somebody is listed who has not signed it')
  assert.ok(!record.peerId.equals(SELF.peerId), 'the node itself is listed')
  assert.ok(asked == null ? namespace !== '' && Buffer.byteLength(namespace) <= 255 : namespace === asked, `${namespace} was not asked for`)
  assert.ok(ttl > 0 && ttl <= 72 * HOUR && expires === now + ttl, `a TTL of ${ttl}`)
  assert.ok(record.multiaddrs.length > 0, 'there is no address')

  for (const address of record.multiaddrs) {
    const text = address.toString()
    const last = address.getComponents().at(-1)
    assert.doesNotMatch(text, /[\p{C}\p{Zl}\p{Zp}\uFFFD]/u, 'an address cannot be shown')
    assert.ok(multiaddr(text).equals(address), 'an address is another when it is read again')
    assert.ok(last?.name !== 'p2p' || peerIdFromString(last.value as string).equals(record.peerId), 'an address is somebody else\'s')
  }
}

function nameOf ({ record, namespace }: Listed): string {
  return `${record.peerId} ${namespace}`
}

function tellNew (told: Set<string>, listed: Listed): void {
  assert.ok(!told.has(nameOf(listed)), 'somebody is new who was there')
  told.add(nameOf(listed))
}

function tellGone (told: Set<string>, listed: Listed): void {
  assert.ok(told.delete(nameOf(listed)), 'somebody is gone who was not there')
}

/** Does it at a time: what points list is read by the clock. */
async function at <T> (now: number, work: () => Promise<T>): Promise<T> {
  const { now: clock } = Date
  Date.now = () => now

  try {
    return await work()
  } finally {
    Date.now = clock
  }
}
