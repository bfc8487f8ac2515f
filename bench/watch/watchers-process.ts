import { lpStream } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { PROTOCOL_ID } from 'libp2p-rendezvous'
import { decode, encodingLength } from 'uint8-varint'
import { watchProtocol } from '../../dist/protocol/constants.js'
import { WatchRequest } from '../../dist/protocol/watch.js'
import { TELL_PROTOCOL } from '../nodes.ts'
import { framed, rawPeer } from '../raw-requests.ts'
import { now } from './clock.ts'
import type { Stream } from '@libp2p/interface'

export interface WatchersTask {
  point: string
  namespace: string
  count: number
}

/** What the watchers of a process are asked for. */
export type WatchersQuestion =
  /** Count from zero. */
  | { ask: 'reset' }
  /** When each had seen so many of these, once all but those that do not read have. */
  | { ask: 'seen', what: Countable, count: number }
  | { ask: 'counts' }
  /** When each who reads had back what it sent. */
  | { ask: 'echo', event: Uint8Array }
  /** How long after they were made each of the last registrations arrived at each who reads. */
  | { ask: 'delays', registered: Float64Array }
  /** So many do not read any more; 0 for all read again. */
  | { ask: 'pause', count: number }

export type Countable = 'updates' | 'registrations' | 'told'

/** Of all who read, and of those who do not what they were told all the same. */
export interface Counts {
  bytesUnread: number
  readers: number
  updates: number
  bytes: number
}

/** As lean as a watcher can be: it has a connection, and counts what comes on it. */
interface Watcher {
  stream: Stream
  echoes: Stream
  isPaused: boolean
  updates: number
  told: number
  bytes: number
  /** When each registration arrived. */
  registrations: number[]
  /** When the last event did. */
  at: number
}

/** The tag of WatchEvent.update, and those of fields of Update: each is a varint, or has a length. */
const UPDATE = 1 << 3 | 2
const STATUS = 2 << 3
const REGISTRATION = 6 << 3 | 2

/** The streams that are dialled at a time. */
const AT_ONCE = 10

const task = JSON.parse(process.argv[2] ?? '') as WatchersTask
const node = await rawPeer()
const watchers: Watcher[] = []
let onChange = (): void => {}

while (watchers.length < task.count) {
  watchers.push(...await Promise.all(Array.from({ length: Math.min(AT_ONCE, task.count - watchers.length) }, watcher)))
}

process.on('disconnect', () => { process.exit() })
process.on('message', (question: WatchersQuestion) => {
  answer(question).then(answer => { process.send?.(answer) }, fail)
})
await seen('updates', 1)
process.send?.('ready')

async function watcher (): Promise<Watcher> {
  // one connection each, although they are all one peer
  const connection = await node.dial(multiaddr(task.point), { force: true })
  const stream = await connection.newStream(watchProtocol(PROTOCOL_ID))
  const echoes = await connection.newStream(TELL_PROTOCOL)
  const watcher: Watcher = { stream, echoes, isPaused: false, updates: 0, told: 0, bytes: 0, registrations: [], at: 0 }
  stream.send(framed(WatchRequest.encode({ subscribe: { id: 1, ns: task.namespace, bothForms: true } })))
  read(stream, event => {
    watcher.at = now()
    watcher.updates++
    watcher.bytes += event.byteLength

    for (let count = registrationsIn(event); count > 0; count--) {
      watcher.registrations.push(watcher.at)
    }
  }).catch(fail)
  read(echoes, event => {
    watcher.at = now()
    // as much work for who is told
    registrationsIn(event)
    watcher.told++
  }).catch(fail)

  return watcher
}

async function read (stream: Stream, onEvent: (event: Uint8Array) => void): Promise<void> {
  const events = lpStream(stream, { maxDataLength: 2 ** 21, maxBufferSize: 2 ** 24 })

  while (true) {
    onEvent((await events.read()).subarray())
    onChange()
  }
}

/** How many registrations there are in an update, without looking into them: it is the point that is measured. */
function registrationsIn (event: Uint8Array): number {
  let count = 0
  let at = 0
  const varint = (): number => {
    const value = decode(event, at)
    at += encodingLength(value)

    return value
  }

  if (varint() !== UPDATE) {
    throw new Error('There is no update in an event')
  }

  // its length
  varint()

  while (at < event.byteLength) {
    const tag = varint()
    const value = varint()
    count += tag === REGISTRATION ? 1 : 0

    if (tag === STATUS && value !== 0) {
      throw new Error(`The status of an update is ${value}`)
    }

    at += (tag & 7) === 2 ? value : 0
  }

  return count
}

async function answer (question: WatchersQuestion): Promise<Float64Array | Counts | string> {
  const readers = watchers.filter(({ isPaused }) => !isPaused)

  switch (question.ask) {
    case 'reset':
      watchers.forEach(watcher => { Object.assign(watcher, { updates: 0, told: 0, bytes: 0, registrations: [] }) })
      return 'done'
    case 'seen':
      await seen(question.what, question.count)
      return Float64Array.from(readers, ({ at }) => at)
    case 'echo':
      readers.forEach(({ echoes }) => { echoes.send(question.event) })
      await seen('told', 1)
      return Float64Array.from(readers, ({ at }) => at)
    case 'counts':
      return {
        bytesUnread: watchers.reduce((sum, { isPaused, bytes }) => sum + (isPaused ? bytes : 0), 0),
        readers: readers.length,
        updates: readers.reduce((sum, { updates }) => sum + updates, 0),
        bytes: readers.reduce((sum, { bytes }) => sum + bytes, 0)
      }
    case 'delays':
      return Float64Array.from(readers.flatMap(({ registrations }) => registrations.map((at, i) => at - Number(question.registered[i]))))
    case 'pause':
      watchers.forEach((watcher, index) => {
        watcher.isPaused = index < question.count
        watcher.isPaused ? watcher.stream.pause() : watcher.stream.resume()
      })
      return 'done'
  }
}

async function seen (what: Countable, count: number): Promise<void> {
  const has = (watcher: Watcher): boolean => watcher.isPaused || (what === 'registrations' ? watcher.registrations.length : watcher[what]) >= count

  await new Promise<void>(resolve => {
    let first = 0
    onChange = () => {
      // those before have
      for (; first < watchers.length; first++) {
        if (!has(watchers[first] as Watcher)) {
          return
        }
      }

      onChange = () => {}
      resolve()
    }
    onChange()
  })
}

function fail (err: unknown): void {
  console.error(err)
  process.exit(1)
}
