import { discover, idsOf } from './context.ts'
import { implementations } from './drivers.ts'
import type { Nodes, Point } from './context.ts'
import type { Answer, Driver, Name } from './drivers.ts'

const NAMESPACE = 'everybody'

/** In seconds. */
const TTL = 2 * 60 * 60

/** How often each looks anew: what depends on who is first, identify or the question, does not always go wrong. */
const ROUNDS = 5

/** One that is registered, or looks, or both. */
interface Member {
  peerId: string
  register: () => Promise<void>
  /** The ids of all that it reads in the listing. */
  discover: () => Promise<string[]>
  /** Connects to one that it has found. */
  dial: (peer: string) => Promise<void>
}

type Start = (nodes: Nodes, point: Point) => Promise<Member>

/** Each behaves as programs of that kind do; all listen on loopback. */
const kinds: Record<string, Start> = {
  'this client': async (nodes, point) => {
    const node = await nodes.ourListeningClient(point)
    const found = new Map<string, Awaited<ReturnType<typeof discover>>[number]>()

    return {
      peerId: node.peerId.toString(),
      register: async () => { await node.services.rendezvous.register(NAMESPACE) },
      discover: async () => {
        for (const peer of await discover(node, NAMESPACE)) {
          found.set(peer.id.toString(), peer)
        }

        return [...found.keys()]
      },
      dial: async peer => {
        const { id } = found.get(peer) ?? {}

        if (id != null) {
          await node.dial(id)
        }
      }
    }
  },
  'rust, asks late': driven('rust', '--identify', 'late'),
  'rust, asks at once': driven('rust', '--identify', 'at-once'),
  'rust without identify': driven('rust', '--identify', 'never'),
  go: driven('go'),
  Canvas: driven('canvas')
}

export const members = Object.keys(kinds)

/** What is between one that looks and one that is registered. */
export interface Meeting {
  reader: string
  registered: string
  result: string
  threw: boolean
}

/** What has to be built. */
export const needed: Name[] = ['rust', 'go', 'canvas']

/** Whatever an implementation signs and reads, at a point of this package it finds those that it can read, and is found. */
export async function everybody (nodes: Nodes): Promise<Meeting[]> {
  const point = await nodes.ourPointForAll()
  const registered = new Map<string, Member>()

  for (const [kind, start] of Object.entries(kinds)) {
    const member = await start(nodes, point)
    await member.register()
    registered.set(kind, member)
  }

  const meetings: Meeting[] = []

  for (const [reader, start] of Object.entries(kinds)) {
    const own = registered.get(reader) as Member
    // one that is registered itself, then some that do nothing but look, as the first thing that they do
    const looks: Look[] = [await look(own)]
    let last = own

    for (let i = 0; i < ROUNDS; i++) {
      last = await start(nodes, point)
      looks.push(await look(last))
    }

    for (const [kind, { peerId }] of registered) {
      meetings.push({ reader, registered: kind, ...await meet(last, peerId, kind === reader ? looks.slice(1) : looks) })
    }
  }

  return meetings
}

type Look = string[] | Error

async function look (member: Member): Promise<Look> {
  return member.discover().catch(err => err)
}

async function meet (reader: Member, peer: string, looks: Look[]): Promise<{ result: string, threw: boolean }> {
  const failed = looks.filter(look => look instanceof Error)

  if (failed.length > 0) {
    return { result: `FAILED: ${failed.length} of ${looks.length} listings, ${failed[0]?.message}`, threw: true }
  }

  const found = (looks as string[][]).filter(ids => ids.includes(peer)).length

  if (found === 0) {
    return { result: 'not found', threw: false }
  }

  if (found < looks.length) {
    return { result: `FAILED: found in ${found} of ${looks.length} listings`, threw: true }
  }

  return reader.dial(peer).then(
    () => ({ result: 'found, dialled', threw: false }),
    err => ({ result: `FAILED: found, not dialled: ${err.message}`, threw: true }))
}

function driven (name: Name, ...flags: string[]): Start {
  return async (nodes, point) => {
    const driver = await nodes.client(implementations[name], point, '--listen', ...flags)

    return {
      peerId: driver.peerId,
      register: async () => { await ask(driver, 'register', { ns: NAMESPACE, ttl: TTL }) },
      discover: async () => idsOf((await ask(driver, 'discover', { ns: NAMESPACE })).registrations ?? []),
      dial: async peer => { await ask(driver, 'dial', { peer }) }
    }
  }
}

async function ask (driver: Driver, command: string, args: Record<string, unknown>): Promise<Answer> {
  const answer = await driver.do(command, args)

  if (!answer.ok) {
    throw new Error(answer.status ?? answer.error)
  }

  return answer
}
