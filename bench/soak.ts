/**
 * The point program under the load of many clients that come, register, discover and go, for long
 * enough to see whether it grows. It fails when the point has more than 10 % more memory in use at the
 * end than after the warm-up, or when anything went wrong that was not meant to.
 *
 *   npm run soak -- [--minutes 10] [--clients 500] [--crowd 0]
 *
 * The crowd are light clients, of interop's Rust driver, that register, watch and renew; some leave all the time, and
 * others come.
 */

import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { tcp } from '@libp2p/tcp'
import { lpStream } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { PROTOCOL_ID, rendezvousClient } from 'libp2p-rendezvous'
import { encode } from 'uint8-varint'
import { concat } from 'uint8arrays/concat'
import { fromString } from 'uint8arrays/from-string'
import { Driver, implementations } from '../interop/drivers.ts'
import type { PrivateKey } from '@libp2p/interface'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' }, clients: { type: 'string', default: '500' }, crowd: { type: 'string', default: '0' } } })
const DURATION = Number(values.minutes) * 60_000
const CLIENTS = Number(values.clients)
const CROWD = Number(values.crowd)

/** Until then caches fill and code is optimised: what is measured is what comes after. */
const WARM_UP = Math.min(DURATION / 4, 3 * 60_000)
/** When memory is measured: a minute from the end of the warm-up, and the last one. */
const WINDOW = Math.min(DURATION / 5, 60_000)
const SAMPLE_INTERVAL = 5_000
const COLLECT_INTERVAL = 15_000
/** For buffers to be let go, some time after their objects. */
const COLLECT_PAUSE = 1_500
const MAX_GROWTH = 0.05
/**
 * What a process has of the machine does not all go back when it is no longer in use, so it follows the
 * highest tide. More than this is memory that the garbage collector knows nothing of.
 */
const MAX_RESIDENT_GROWTH = 0.25

/**
 * How much a process holds has more to do with when it last collected garbage than with what it needs,
 * so in the windows it is made to do so before each sample. With thousands of clients that holds it up for a second: no
 * more often than that, and not more thoroughly, or it is the collecting that the clients endure.
 */
const COLLECT = ['--expose-gc', '--import', "data:text/javascript,process.on('SIGUSR2',()=>{gc({type:'major',execution:'sync'})})"]

const NAMESPACES = 20
/** Twice what a client waits at least before it renews. */
const TTL = 60_000
/** How long a client stays, give or take half of it. */
const STAY = 90_000
/** How long it waits before it discovers again, give or take half of it. */
const PAUSE = 8_000
/** Of the clients that go, those that just vanish. */
const VANISHING = 0.5

/** Of the crowd: what the point grants who asks for none, and when it is renewed. Seconds. */
const CROWD_TTL = 300
const CROWD_RENEWS = 200
/** Who know of each other. */
const CROWD_NAMESPACE = 10
/** One in so many leaves and is replaced within each turn, milliseconds: all of them in twenty minutes. */
const CROWD_TURNS = 600
const CROWD_TURN = 2_000
const CROWD_TOGETHER = 20
const CROWD_PATIENCE = 10 * 60_000

/** How far off a client's look at the clock may be. */
const SLACK = 5_000
/** For whatever a client asks for: hundreds of them share a processor here. */
const PATIENCE = 60_000
const PATIENT = { dialTimeout: PATIENCE, addressDialTimeout: PATIENCE, outboundStreamProtocolNegotiationTimeout: PATIENCE }

/** Verified signatures that a point remembers at the most. */
const CACHED = 8_400
/** Fewer than the rate limit lets a peer make at once: each has a signature to verify. */
const RECORDS_OF_A_PEER = 120

/**
 * So many of these at a time, and milliseconds between two records of each: all of them come from one network, and a
 * point verifies a thousand of one network in a second.
 */
const FILLING = 6
const FILL_PAUSE = 10

/** What Node adds to each delay that it measures: the interval at which it looks. */
const RESOLUTION = 0.01

const bin = fileURLToPath(new URL('../packages/cli/bin/libp2p-rendezvous.js', import.meta.url))

interface Sample {
  time: number
  /** In use, in bytes. */
  memory: number
  /** In bytes, with what the process keeps for later. */
  resident: number
  /** Whether garbage was collected just before. */
  isCollected: boolean
  /** Seconds, the 99th percentile since the sample before. */
  delay: number
  registrations: number
  requests: number
}

let started = Date.now()
const problems: string[] = []
/** Peers that a request may have been cut off of. */
const vanished = new Set<string>()
const counts = { clients: 0, registered: 0, discovered: 0, told: 0, refused: 0, left: 0, vanished: 0, replaced: 0, renewed: 0 }
const ending = new AbortController()
/** Of this process: when it is held up itself, it learns little about the point. */
const ownDelay = monitorEventLoopDelay({ resolution: RESOLUTION * 1_000 })
ownDelay.enable()

function problem (text: string): void {
  if (problems.length < 20) {
    console.error(`  ! ${text}`)
  }

  problems.push(text)
}

/** About that long. */
function about (ms: number): number {
  return ms * (0.5 + Math.random())
}

async function startPoint (data: string): Promise<{ address: string, metrics: string, collect: () => void, end: () => Promise<number | null> }> {
  const child = spawn(process.execPath, [
    ...COLLECT, bin, 'point', '--json', '--listen', '/ip4/127.0.0.1/tcp/0', '--data', data, '--http', '127.0.0.1:0',
    '--min-ttl', '10s', '--default-ttl', `${CROWD_TTL}s`,
    '--max-connections', String(2 * (CLIENTS + CROWD) + 1_000), '--max-connection-rate', '1000'
  ], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<number | null>(resolve => { child.once('close', resolve) })
  child.stderr.setEncoding('utf8').on('data', text => { problem(`the point says: ${text.trim()}`) })
  child.once('exit', (code, signal) => {
    if (!ending.signal.aborted) {
      problem(`the point ended (${code ?? signal})`)
      ending.abort()
    }
  })
  process.once('exit', () => { child.kill('SIGKILL') })

  const ready = await new Promise<any>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', line => {
      const entry = JSON.parse(line)

      if (entry.event === 'ready') {
        resolve(entry)
      } else if (entry.status != null && entry.status !== 'E_INVALID_TTL' && !vanished.has(entry.peer)) {
        problem(`the point refused: ${line}`)
      }
    })
    child.once('exit', () => { reject(new Error('the point did not start')) })
  })

  return {
    address: ready.addresses[0],
    metrics: `${ready.http}/metrics`,
    collect: () => { child.kill('SIGUSR2') },
    end: async () => {
      child.kill('SIGTERM')

      return ended
    }
  }
}

/**
 * The point remembers thousands of signatures that it has verified, and reaches that number in half an
 * hour of this. What they take is no growth, so they are there from the beginning: registrations with a
 * new record each, faster than clients make them.
 */
async function fillCaches (point: string): Promise<void> {
  let left = Math.ceil(CACHED / RECORDS_OF_A_PEER)

  await Promise.all(Array.from({ length: FILLING }, async () => {
    while (left-- > 0) {
      await fillCache(point)
    }
  }))
}

async function fillCache (point: string): Promise<void> {
  const privateKey = await generateKeyPair('Ed25519')
  const node = await createLibp2p({
    privateKey,
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: PATIENT,
    services: { identify: identify() }
  })
  const stream = lpStream(await node.dialProtocol(multiaddr(point), PROTOCOL_ID))

  for (let index = 1; index <= RECORDS_OF_A_PEER; index++) {
    const record = new PeerRecord({ peerId: node.peerId, multiaddrs: [multiaddr('/ip4/127.0.0.1/tcp/1')], seqNumber: BigInt(index) })
    await stream.write(registerRequest('soak-warm-up', (await RecordEnvelope.seal(record, privateKey)).marshal()))
    await stream.read()
    await delay(FILL_PAUSE)
  }

  await node.stop()
}

/** REGISTER, as proto/rendezvous.proto has it. */
function registerRequest (namespace: string, record: Uint8Array): Uint8Array {
  const bytes = (field: number, value: Uint8Array): Uint8Array => concat([encode(field << 3 | 2), encode(value.byteLength), value])

  return concat([encode(1 << 3), encode(0), bytes(2, concat([bytes(1, fromString(namespace)), bytes(2, record)]))])
}

/** The crowd, once all of it has arrived. */
async function startCrowd (point: string): Promise<Driver> {
  const crowd = await Driver.start(implementations.rust, 'load', point, 'register', 'watch', `renew=${CROWD_RENEWS}`)
  await tell(crowd, 'join', { count: CROWD })

  return crowd
}

async function tell (crowd: Driver, command: string, args: Record<string, unknown> = {}): Promise<any> {
  const answer = await crowd.do(command, { ns: 'crowd', crowd: CROWD_NAMESPACE, together: CROWD_TOGETHER, ...args }, CROWD_PATIENCE)

  if (!answer.ok) {
    problem(`the crowd: ${answer.error}`)
  }

  return answer
}

/** Those who were there first leave without a word, as others come. */
async function comeAndGo (crowd: Driver): Promise<void> {
  const count = Math.ceil(CROWD / CROWD_TURNS)

  while (!ending.signal.aborted) {
    await tell(crowd, 'join', { count })
    await tell(crowd, 'leave', { count, first: true })
    counts.replaced += count
    await delay(CROWD_TURN, undefined, { signal: ending.signal }).catch(() => {})
  }

  await tell(crowd, 'check')
  const { renewed, renewalsLost } = await tell(crowd, 'tally')
  counts.renewed = renewed.length

  if (renewalsLost > 0) {
    problem(`${renewalsLost} renewals of the crowd were lost`)
  }

  await crowd.stop()
}

/** One client's life: it registers, watches, discovers again and again, and goes. */
async function live (privateKey: PrivateKey, index: number, point: string): Promise<void> {
  const namespace = `soak-${index % NAMESPACES}`
  let hasVanished = false
  const node = await createLibp2p({
    privateKey,
    // nobody dials it, so it only says that it listens
    addresses: { announce: [`/ip4/127.0.0.1/tcp/${10_000 + index}`] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    connectionManager: PATIENT,
    connectionGater: { denyDialPeer: () => hasVanished },
    services: {
      identify: identify(),
      rendezvous: rendezvousClient({ points: [point], ttl: TTL, refreshBuffer: TTL / 3, timeout: PATIENCE })
    }
  })
  const { rendezvous } = node.services
  rendezvous.addEventListener('registration:failed', ({ detail: { error } }) => {
    if (error.name !== 'InvalidTtlError' && !hasVanished) {
      problem(`registration failed: ${error.message}`)
    }
  })
  counts.clients++

  try {
    await rendezvous.register(namespace)
    counts.registered++
    follow(rendezvous.watch(namespace)).catch(err => { problem(`what a client watches ended: ${err.message}`) })

    // a point refuses some requests, and goes on
    if (Math.random() < 0.2) {
      await rendezvous.register(`refused-${index}`, { ttl: 1_000 }).then(
        () => { problem('a lifetime of a second was granted') },
        err => {
          if (err.name !== 'InvalidTtlError') {
            throw err
          }

          counts.refused++
        }
      )
    }

    const leaving = Date.now() + about(STAY)

    while (Date.now() < leaving && !ending.signal.aborted) {
      let found = 0

      for await (const peer of rendezvous.discover(namespace, { limit: 100 })) {
        found++

        if (peer.expires < Date.now() - SLACK || peer.expires > Date.now() + TTL + SLACK) {
          problem(`a peer was listed that expires in ${peer.expires - Date.now()} ms`)
        }
      }

      if (found > 100) {
        problem(`${found} peers were listed where 100 were asked for`)
      }

      counts.discovered++
      await delay(about(PAUSE), undefined, { signal: ending.signal }).catch(() => {})
    }
  } catch (err: any) {
    problem(`a client failed: ${[err.message, ...(err.errors ?? []).map((inner: Error) => inner.message)].join('; ')}`)
    await delay(about(5_000))
  } finally {
    if (Math.random() < VANISHING) {
      hasVanished = true
      vanished.add(node.peerId.toString())
      counts.vanished++
      node.getConnections().forEach(connection => { connection.abort(new Error('gone')) })
    } else {
      counts.left++
    }

    await node.stop()
    counts.clients--
  }
}

async function follow (peers: AsyncIterable<unknown>): Promise<void> {
  for await (const peer of peers) {
    counts.told += peer == null ? 0 : 1
  }
}

async function sample (url: string, isCollected: boolean): Promise<Sample> {
  const text = await (await fetch(url)).text()
  const sum = (name: string): number => [...text.matchAll(new RegExp(`^${name}(?:{[^}]*})? ([\\d.e+-]+)$`, 'gm'))].reduce((total, [, value]) => total + Number(value), 0)

  return {
    time: Date.now() - started,
    isCollected,
    resident: sum('process_resident_memory_bytes'),
    memory: sum('nodejs_heap_size_used_bytes') + sum('nodejs_external_memory_bytes'),
    delay: Math.max(0, sum('nodejs_eventloop_lag_p99_seconds') - RESOLUTION),
    registrations: sum('libp2p_rendezvous_point_registrations'),
    requests: sum('libp2p_rendezvous_point_outcomes_total')
  }
}

/** Whether it is the window that begins then. */
function isIn (start: number): boolean {
  const time = Date.now() - started

  return time >= start && time < start + WINDOW
}

function mean (values: number[]): number {
  return values.reduce((total, value) => total + value, 0) / values.length
}

function percentile (values: number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? NaN
}

const MiB = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`
const ms = (seconds: number): string => `${(seconds * 1_000).toFixed(1)} ms`

const data = await mkdtemp(join(tmpdir(), 'rendezvous-soak-'))
const point = await startPoint(data)
console.log(`${CLIENTS + CROWD} clients at ${point.address} for ${values.minutes} minutes\n`)

await fillCaches(point.address)

const crowd = CROWD === 0 ? undefined : await startCrowd(point.address)
started = Date.now()
const coming = crowd == null ? undefined : comeAndGo(crowd)

// twice as many, so that those who come are not those who just left
const identities = await Promise.all(Array.from({ length: CLIENTS * 2 }, async () => generateKeyPair('Ed25519')))
const free = identities.map((_, index) => index)

const clients = Array.from({ length: CLIENTS }, async (_, place) => {
  // they do not all come in the same moment
  await delay(place / CLIENTS * WARM_UP / 2, undefined, { signal: ending.signal }).catch(() => {})

  while (!ending.signal.aborted) {
    const index = free.shift() as number
    await live(identities[index] as PrivateKey, index, point.address)
    free.push(index)
  }
})

const samples: Sample[] = []
let collected = 0

while (Date.now() - started < DURATION && !ending.signal.aborted) {
  await delay(SAMPLE_INTERVAL)
  const isCollected = (isIn(WARM_UP) || isIn(DURATION - WINDOW)) && Date.now() - collected >= COLLECT_INTERVAL

  if (isCollected) {
    collected = Date.now()
    point.collect()
    await delay(COLLECT_PAUSE)
  }

  try {
    const latest = await sample(point.metrics, isCollected)
    const previous = samples.at(-1)
    samples.push(latest)

    if (samples.length % 3 === 0 && previous != null) {
      const rate = (latest.requests - previous.requests) / (latest.time - previous.time) * 1_000
      console.log([
        `${String(Math.round(latest.time / 1_000)).padStart(5)} s`,
        `${String(counts.clients).padStart(4)} clients`,
        `${String(latest.registrations).padStart(5)} registrations`,
        `${rate.toFixed(0).padStart(4)} requests/s`,
        `memory ${MiB(latest.memory)} of ${MiB(latest.resident)}`,
        `delay p99 ${ms(latest.delay)}`,
        `${problems.length} problems`
      ].join('  '))
    }
  } catch (err: any) {
    problem(`the point's metrics cannot be read: ${err.message}`)
  }
}

ending.abort()
await Promise.all([coming, ...clients])

const code = await point.end()

if (code !== 0) {
  problem(`the point ended with exit code ${code}`)
}

await rm(data, { recursive: true, force: true })

const before = samples.filter(({ time, isCollected }) => isCollected && time < DURATION / 2)
const after = samples.filter(({ time, isCollected }) => isCollected && time >= DURATION / 2)
const delays = samples.filter(({ time, isCollected }) => !isCollected && time >= WARM_UP).map(({ delay }) => delay)

function compared (what: 'memory' | 'resident', most: number): string {
  const [first, last] = [before, after].map(window => mean(window.map(sample => sample[what]))) as [number, number]
  const growth = last / first - 1

  if (!(growth <= most)) {
    problem(`${what} grew by ${(growth * 100).toFixed(1)} %`)
  }

  return `${MiB(first)} after the warm-up, ${MiB(last)} at the end: ${growth >= 0 ? '+' : ''}${(growth * 100).toFixed(1)} %`
}

console.log(`
clients     ${counts.registered} registered, ${counts.left} left, ${counts.vanished} vanished; they were told of ${counts.told} peers
crowd       ${CROWD} at a time; ${counts.replaced} left and were replaced, ${counts.renewed} renewals
requests    ${samples.at(-1)?.requests}, of them ${counts.refused} refused as intended
memory      ${compared('memory', MAX_GROWTH)}
resident    ${compared('resident', MAX_RESIDENT_GROWTH)}
event loop  p99 delay ${ms(percentile(delays, 0.5))} in the median ${SAMPLE_INTERVAL / 1_000} s, ${ms(percentile(delays, 1))} in the worst
clients'    p99 delay ${ms(Math.max(0, ownDelay.percentile(99) / 1e9 - RESOLUTION))}: above a second, the machine is too busy for this
problems    ${problems.length === 0 ? 'none' : problems.length}`)

process.exit(problems.length === 0 ? 0 : 1)
