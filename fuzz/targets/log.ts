import assert from 'node:assert/strict'
import { MemoryDatastore } from 'datastore-core'
import { Key } from 'interface-datastore'
import { encodeEntry, registrationName } from '../../src/store/log-entry.ts'
import { persistentStore } from '../../src/store/persistent.ts'
import { mutatedBytes } from '../fields.ts'
import { envelopeOf, NAMESPACES, peerOf } from '../messages.ts'
import { hex, unhex } from '../target.ts'
import type { LogEntry } from '../../src/store/log-entry.ts'
import type { PersistentStore } from '../../src/store/persistent.ts'
import type { Page, StoredRegistration } from '../../src/store/types.ts'
import type { Choice, Target } from '../target.ts'

const SECOND = 1_000
const NOW = 1_750_000_000_000
const MAX_TTL = 60 * SECOND
const PREFIX = '/rendezvous/'
const ORIGIN = 2 ** 40
const NO_LIMITS = { maxRegistrationsPerPeer: 1e9, maxRegistrationsPerNamespace: 1e9, maxNamespaces: 1e9, maxRegistrations: 1e9, maxBytes: 1e12 }

/** Entries in a log, at the most, for all are read with each message. */
const LOG_LENGTH = 12

interface LogMessage {
  name: string
  value: string
  /** It is not as it was written, or not where. */
  isSpoilt?: boolean
  /** As it was written: what has to be read from it. */
  isSound?: { namespace: string, peer: string, record: string, expires: number }
}

/** A persistent store, started over a log of which some entries are not as they were written. */
export function logTarget (): Target<LogMessage> {
  return {
    begin: () => {
      const log = new Map<string, LogMessage>()
      let count = 0

      return {
        message: choice => makeMessage(choice, ++count),

        send: async message => {
          log.set(message.name, message)

          if (log.size > LOG_LENGTH) {
            log.delete(log.keys().next().value as string)
          }

          await check([...log.values()])
        }
      }
    }
  }
}

function makeMessage (choice: Choice, count: number): LogMessage {
  const { what, who, which, more, mutations } = choice

  if (what === 0) {
    const value = encodeEntry('sequence', { numbers: [ORIGIN, ORIGIN + 1_000], bytes: new Uint8Array() })

    return { name: 'sequence', value: hex(mutatedBytes(value, mutations)) }
  }

  const namespace = NAMESPACES[which % NAMESPACES.length] as string
  const peer = peerOf(who).peerId.toString()
  const bytes = envelopeOf(who, more)
  const expires = NOW + (more % 100 - 20) * SECOND
  const name = registrationName(namespace, peer)
  const entry: LogEntry = {
    numbers: [expires, ORIGIN + count],
    bytes,
    domain: more % 2 === 0 ? 'libp2p-peer-record' : 'libp2p-routing-state',
    network: '8.1/1/1',
    ...(more % 3 === 0 ? { otherRecord: envelopeOf(who, more + 1) } : {})
  }

  // as it is never written, but with a checksum that is right
  if (what === 1) {
    return { name, value: hex(encodeEntry(name, { ...entry, ...STRANGE[more % STRANGE.length] })) }
  }

  const mutatedName = what === 2 ? name.slice(0, 1 + more % (name.length - 1)) : name
  const written = encodeEntry(name, entry)
  const value = mutatedBytes(written, mutations)
  const isAsWritten = mutatedName === name && Buffer.compare(value, written) === 0

  return {
    name: mutatedName,
    value: hex(value),
    ...(isAsWritten ? {} : { isSpoilt: true }),
    ...(isAsWritten ? { isSound: { namespace, peer, record: hex(bytes), expires: Math.min(expires, NOW + MAX_TTL) } } : {})
  }
}

/** What another version, or a fault of this one, might leave in a header. */
const STRANGE: object[] = [
  { numbers: undefined }, { numbers: [] }, { numbers: [1] }, { numbers: [null, null] }, { numbers: ['1', '2'] }, { numbers: [NaN, NaN] },
  { numbers: [NOW + SECOND, ORIGIN + 1] }, { numbers: [NOW + SECOND, 0] }, { numbers: [NOW + SECOND, -1] }, { numbers: [NOW + SECOND, 2 ** 60] }, { numbers: [NOW + SECOND, 1.5] }, { numbers: [1e300, ORIGIN + 2] },
  { domain: 'another' }, { domain: 7 }, { network: 7 }, { network: null }, { network: '' }, { network: 'a//b/' }, { length: -5 }, { length: 'x' }, { extra: { nested: [] } }
]

async function check (log: LogMessage[]): Promise<void> {
  const datastore = new MemoryDatastore()

  for (const { name, value } of log) {
    datastore.put(new Key(PREFIX + name), unhex(value))
  }

  const keys = new Set(log.map(({ name }) => new Key(PREFIX + name).toString()))
  const { store, corrupt } = await started(datastore)
  const held = store.size.registrations
  const isSequenceRead = keys.has(`${PREFIX}sequence`) && !corrupt.has(`${PREFIX}sequence`)
  assert.equal(held + corrupt.size + (isSequenceRead ? 1 : 0), keys.size, 'each entry is read or said to be corrupt')
  assert.equal(store.corruptEntries, corrupt.size, 'how many are said to be corrupt')

  const all = listed(store, NOW)
  const read = new Map(all.map(registration => [`${registration.namespace} ${registration.peer}`, registration]))

  for (const { name, isSound, isSpoilt } of log) {
    assert.ok(isSpoilt !== true || corrupt.has(new Key(PREFIX + name).toString()), 'an entry is read that is not as it was written')

    if (isSound != null) {
      assert.ok(!corrupt.has(new Key(PREFIX + name).toString()), 'a sound entry is said to be corrupt')
      const registration = read.get(`${isSound.namespace} ${isSound.peer}`)
      assert.deepEqual(registration == null ? undefined : [hex(registration.signedPeerRecord), registration.expires], isSound.expires > NOW ? [isSound.record, isSound.expires] : undefined, 'what is read of a sound entry')
    }
  }

  // it works, and what is there now is there after the next start
  const cursor = (store.list({ limit: 1 }, NOW) as Page).cursor
  const result = await store.register({ namespace: 'new', peer: 'p', signedPeerRecord: new Uint8Array(1), domain: 'libp2p-peer-record', network: 'n', ttl: SECOND }, NO_LIMITS, NOW)
  assert.ok('registration' in result && result.displaced.length === 0, 'nobody may register')
  const now = listed(store, NOW)
  assert.deepEqual(now.map(({ peer }) => peer), [...all.map(({ peer }) => peer), 'p'], 'who is listed after a registration')
  await store.stop?.()

  const { store: next, corrupt: stillCorrupt } = await started(datastore)
  assert.deepEqual(listed(next, NOW).map(identity), now.map(identity), 'what is read at the next start')
  assert.equal(stillCorrupt.size, [...corrupt].filter(key => key !== `${PREFIX}sequence`).length, 'what is corrupt at the next start')
  assert.ok(await next.list({ limit: 1, after: cursor }, NOW) != null, 'a cursor of before is not known')

  const end = NOW + MAX_TTL + SECOND
  assert.equal((await next.expire(end, 1_000)).length, held + 1, 'what expires')
  assert.deepEqual(next.size, { registrations: 0, namespaces: 0, peers: 0, bytes: 0 }, 'what is left in the end')
  assert.equal(next.nextExpiry(), undefined, 'something will still expire')
  await next.stop?.()
}

async function started (datastore: MemoryDatastore): Promise<{ store: PersistentStore, corrupt: Set<string> }> {
  const corrupt = new Set<string>()
  const store = persistentStore({ datastore, onCorrupt: ({ key }) => { corrupt.add(key) } })
  await store.start?.({ now: NOW, maxTtl: MAX_TTL })

  return { store, corrupt }
}

/** All, page by page: each once, in order, none that has expired or lives longer than is allowed. */
function listed (store: PersistentStore, now: number): StoredRegistration[] {
  const all: StoredRegistration[] = []
  let after: number | undefined

  for (let i = 0; i < 2 * LOG_LENGTH; i++) {
    const page = store.list({ limit: 5, after }, now) as Page | undefined
    assert.ok(page != null, 'a cursor of this store is refused')

    if (page.registrations.length === 0) {
      break
    }

    all.push(...page.registrations)
    after = page.cursor
  }

  all.forEach(({ sequence, expires, signedPeerRecord, network, domain }, i) => {
    assert.ok(Number.isSafeInteger(sequence) && (i === 0 || sequence > all[i - 1]!.sequence), 'the order of a listing')
    assert.ok(expires > now && expires <= now + MAX_TTL, 'when something expires')
    assert.ok(signedPeerRecord instanceof Uint8Array && typeof network === 'string' && /^libp2p-(peer-record|routing-state)$/.test(domain), 'what a registration consists of')
  })

  return all
}

function identity ({ namespace, peer, expires, signedPeerRecord, domain, network, otherRecord }: StoredRegistration): string {
  return JSON.stringify([namespace, peer, expires, hex(signedPeerRecord), domain, network, otherRecord == null ? undefined : hex(otherRecord)])
}
