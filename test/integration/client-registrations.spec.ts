import { peerIdFromString } from '@libp2p/peer-id'
import { afterEach, describe, expect, it } from 'vitest'
import { Message } from '../../src/protocol/message.ts'
import { allEvents, nextEvent } from '../fixtures/events.ts'
import { addressOf, clientNode, collect, pointNode, stopNodes } from '../fixtures/nodes.ts'
import { makePeer } from '../fixtures/peers.ts'
import { granted, listing, page, rawPoint, refusal, scriptedPoint } from '../fixtures/scripted-point.ts'
import { domainOf } from '../fixtures/records.ts'
import type { ClientNode } from '../fixtures/nodes.ts'
import type { ScriptedAnswer, ScriptedPoint, ScriptedRequest } from '../fixtures/scripted-point.ts'
import type { Libp2p, PeerId } from '@libp2p/interface'

const { MessageType, ResponseStatus: Status } = Message
const TAG = 'keep-alive-rendezvous'
const MINUTE = 60_000

const types = (point: ScriptedPoint): Array<Message.MessageType | undefined> => point.requests.map(({ type }) => type)

async function nowhere (): Promise<string> {
  return `/memory/nowhere/p2p/${(await makePeer()).peerId}`
}

async function hasTag (node: ClientNode, point: Libp2p<any>): Promise<boolean> {
  return (await node.peerStore.get(point.peerId)).tags.has(TAG)
}

async function dropConnections (node: Libp2p<any>): Promise<void> {
  await Promise.all(node.getConnections().map(async connection => connection.close()))
}

describe('registering at several points', () => {
  afterEach(stopNodes)

  it('has a result as soon as one has granted it: neither a silent nor a dead one delays it', async () => {
    const silent = await rawPoint(() => {})
    const point = await pointNode()
    const { services: { rendezvous } } = await clientNode({ points: [silent.address, await nowhere(), addressOf(point)], timeout: 10 * MINUTE })

    const registrations = await rendezvous.register('ns')
    expect(registrations.map(({ point }) => point.toString())).toEqual([point.peerId.toString()])
  })

  it('goes on with the others, whatever becomes of the caller\'s signal, and reports what they say', async () => {
    const go = Promise.withResolvers<void>()
    const slow = await scriptedPoint(async ({ message }) => {
      await go.promise

      return message.type === MessageType.REGISTER ? granted() : page([])
    })
    const dead = await nowhere()
    const point = await pointNode()
    const { services: { rendezvous } } = await clientNode({ points: [slow.address, dead, addressOf(point)], timeout: 10 * MINUTE })
    const failed = nextEvent(rendezvous, 'registration:failed')
    const late = nextEvent(rendezvous, 'registration:granted', ({ point }) => point.equals(slow.node.peerId))
    const controller = new AbortController()
    await rendezvous.register('ns', { signal: controller.signal })
    controller.abort()
    go.resolve()

    expect(await late).toMatchObject({ namespace: 'ns' })
    expect((await failed).point.toString()).toBe(dead.split('/').at(-1))
    expect(rendezvous.registrations).toHaveLength(2)
  })

  it('fails with all reasons when it worked at none', async () => {
    const points = await Promise.all([Status.E_NOT_AUTHORIZED, Status.E_UNAVAILABLE].map(async status => scriptedPoint(({ message }) => refusal(message, status))))
    const { services: { rendezvous } } = await clientNode({ points: points.map(({ address }) => address) })
    const error = await rendezvous.register('ns').catch(err => err)

    expect(error).toBeInstanceOf(AggregateError)
    expect(error.errors.map(({ name }: Error) => name)).toEqual(['NotAuthorizedError', 'UnavailableError'])
    expect(error.message).toMatch(/^Could not register "ns": /)
  })

  it('fails with what is wrong with this node, which is the same at each', async () => {
    const points = await Promise.all([pointNode(), pointNode()])
    const { services: { rendezvous } } = await clientNode({ points: points.map(addressOf), addressFilter: () => false })

    await expect(rendezvous.register('ns')).rejects.toMatchObject({ name: 'NoAddressesError' })
  })
})

describe('a REGISTER that is tried in the other form of record', () => {
  afterEach(stopNodes)

  it('is not overtaken by the UNREGISTER that was asked for in between', async () => {
    const first = Promise.withResolvers<void>()
    const unregister = Promise.withResolvers<void>()
    const point = await scriptedPoint(async ({ message }): Promise<ScriptedAnswer> => {
      const { register } = message

      if (register == null) {
        return
      }

      if (domainOf(register.signedPeerRecord!) === 'libp2p-routing-state') {
        return granted()
      }

      first.resolve()
      await unregister.promise

      return refusal(message, Status.E_INVALID_SIGNED_PEER_RECORD)
    })
    const { services: { rendezvous } } = await clientNode({ points: [point.address] })
    const registered = rendezvous.register('ns')
    await first.promise
    const unregistered = rendezvous.unregister('ns')
    unregister.resolve()
    await Promise.all([registered, unregistered])

    expect(types(point)).toEqual([MessageType.REGISTER, MessageType.REGISTER, MessageType.UNREGISTER])
    expect(rendezvous.registrations).toEqual([])
  })
})

describe('a connection that was lost', () => {
  afterEach(stopNodes)

  /** A point that gives cookies, and knows them as long as it says. */
  function remembering (knows: () => boolean) {
    return ({ message }: ScriptedRequest): ScriptedAnswer => {
      switch (message.type) {
        case MessageType.REGISTER:
          return granted(7_200n)
        case MessageType.DISCOVER:
          return message.discover?.cookie == null || knows() ? page([], Uint8Array.of(1, 2, 3)) : refusal(message, Status.E_INVALID_COOKIE)
        default:
      }
    }
  }

  const questions = (point: ScriptedPoint): Message[] => point.requests.filter(({ discover }) => discover?.limit === 1n)
  const registers = (point: ScriptedPoint): Message[] => point.requests.filter(({ register }) => register != null)

  it('is not a registration that was lost: the client comes back and asks with its cookie, and says nothing', async () => {
    const point = await scriptedPoint(remembering(() => true))
    const node = await clientNode({ points: [point.address], namespaces: ['ns'] })
    const { rendezvous } = node.services
    const [grants, failures] = [allEvents(rendezvous, 'registration:granted'), allEvents(rendezvous, 'registration:failed')]
    await expect.poll(() => [registers(point).length, point.requests.length >= 2]).toEqual([1, true])
    await collect(rendezvous.discover('ns'))
    await dropConnections(point.node)
    await expect.poll(() => questions(point).length, { timeout: 3_000 }).toBe(1)

    expect(questions(point)[0]!.discover).toMatchObject({ ns: 'ns', cookie: Uint8Array.of(1, 2, 3) })
    await collect(rendezvous.discover('ns'))
    expect(registers(point)).toHaveLength(1)
    expect(grants).toHaveLength(1)
    expect(failures).toEqual([])
    expect(rendezvous.registrations).toHaveLength(1)
  })

  it('is registered again at a point that no longer knows the cookie, also when a poll has got a new one before', async () => {
    let isRestarted = false
    const point = await scriptedPoint(remembering(() => !isRestarted))
    const node = await clientNode({ points: [point.address], namespaces: ['ns'], discoverInterval: 20 })
    const { rendezvous } = node.services
    await nextEvent(rendezvous, 'registration:granted')
    await collect(rendezvous.discover('ns'))
    const again = nextEvent(rendezvous, 'registration:granted')
    isRestarted = true
    await dropConnections(point.node)
    await again

    expect(registers(point)).toHaveLength(2)
  })

  it('ends requests at a peer that was a point only because it was connected, with an error that says so', async () => {
    const asked = Promise.withResolvers<void>()
    const point = await rawPoint(() => { asked.resolve() })
    const node = await clientNode()
    await node.dial(point.node.getMultiaddrs())
    const results = Promise.allSettled(['one', 'two'].map(async ns => node.services.rendezvous.discoverPage(ns, { point: point.node.peerId })))
    await asked.promise
    // it cannot be dialled again
    await point.node.stop()

    for (const { reason } of (await results) as PromiseRejectedResult[]) {
      expect(reason).toBeInstanceOf(Error)
      expect(reason.name).not.toBe('AbortError')
    }
  })
})

describe('the connection to a point', () => {
  afterEach(stopNodes)

  it('is held by the connection manager when it was given in the init, until the end', async () => {
    const point = await pointNode()
    const node = await clientNode({ points: [addressOf(point)] })
    await node.services.rendezvous.register('ns')
    await expect.poll(async () => hasTag(node, point)).toBe(true)
    await dropConnections(point)
    await expect.poll(() => node.getConnections(point.peerId).length).toBe(1)
    await node.services.rendezvous.unregister('ns')
    expect(await hasTag(node, point)).toBe(true)

    await (node.services.rendezvous as any).beforeStop()
    await expect.poll(async () => hasTag(node, point)).toBe(false)
  })

  it('is held at a point that was named, as long as something is kept there', async () => {
    const point = await pointNode()
    const node = await clientNode()
    await node.services.rendezvous.register('one', { point: addressOf(point) })
    await node.services.rendezvous.register('two', { point: point.peerId })
    await expect.poll(async () => hasTag(node, point)).toBe(true)
    await node.services.rendezvous.unregister('one')
    expect(await hasTag(node, point)).toBe(true)
    await node.services.rendezvous.unregister('two', { point: point.peerId })

    await expect.poll(async () => hasTag(node, point)).toBe(false)
  })

  it('is not held at one that is only asked, or a point only because it is connected', async () => {
    const [asked, connected] = await Promise.all([pointNode(), pointNode()])
    const node = await clientNode({ namespaces: ['ns'] })
    await node.dial(connected.getMultiaddrs())
    await nextEvent(node.services.rendezvous, 'registration:granted')
    await collect(node.services.rendezvous.discover('ns', { point: addressOf(asked) }))

    expect(await hasTag(node, asked)).toBe(false)
    expect(await hasTag(node, connected)).toBe(false)
  })

  it('is not held against the will of a point that ends it again and again', async () => {
    const point = await pointNode()
    const node = await clientNode({ points: [addressOf(point)] })
    const { rendezvous } = node.services
    const grants = allEvents(rendezvous, 'registration:granted')
    await rendezvous.register('ns')
    await collect(rendezvous.discover('ns'))

    for (let times = 0; times < 3; times++) {
      await expect.poll(async () => node.getConnections(point.peerId).length === 1 && await hasTag(node, point)).toBe(true)
      await dropConnections(point)
    }

    await expect.poll(async () => hasTag(node, point)).toBe(false)
    expect(grants).toHaveLength(1)
  })
})

describe('the namespaces in the init', () => {
  afterEach(stopNodes)

  it('register only registers, and discover only discovers', async () => {
    const point = await scriptedPoint(listing(() => []))
    await clientNode({ points: [point.address], namespaces: ['both'], register: ['here'], discover: ['there'] })
    const asked = (): { here: Set<string>, there: Set<string> } => ({
      here: new Set(point.requests.flatMap(({ register }) => register?.ns ?? [])),
      there: new Set(point.requests.flatMap(({ discover }) => discover?.ns ?? []))
    })
    await expect.poll(() => [asked().here.size, asked().there.size]).toEqual([2, 2])
    // it looks again soon
    await expect.poll(() => point.requests.length, { timeout: 3_000 }).toBeGreaterThan(6)

    expect(asked()).toEqual({ here: new Set(['both', 'here']), there: new Set(['both', 'there']) })
  })
})

describe('the log of a client', () => {
  afterEach(stopNodes)

  it('tells each request, what was answered, and when it is tried again', async () => {
    const lines: string[] = []
    const log = Object.assign((format: string, ...args: unknown[]) => {
      const rest = [...args]
      lines.push(format.replace(/%./g, () => {
        const value = rest.shift()

        return value instanceof Error ? value.name : String(value)
      }))
    }, { error: () => {}, trace: () => {}, enabled: true, newScope: () => log })
    const quiet = Object.assign(() => {}, { error: () => {}, trace: () => {}, enabled: false, newScope: () => quiet })
    const logger = { forComponent: (name: string) => name === 'libp2p:rendezvous:client' ? log : quiet }
    let isFull = false
    const point = await scriptedPoint(({ message }) => message.type === MessageType.REGISTER
      ? isFull ? refusal(message, Status.E_UNAVAILABLE) : granted(60n)
      : message.type === MessageType.DISCOVER ? page([]) : undefined)
    const { services: { rendezvous } } = await clientNode({ points: [point.address] }, { logger: logger as any })
    const id: PeerId = peerIdFromString(point.address.split('/').at(-1)!)
    await rendezvous.register('granted')
    isFull = true
    await rendezvous.register('refused').catch(() => {})
    await collect(rendezvous.discover('listed'))
    await rendezvous.unregister('granted')

    for (const line of [
      `point ${id} is connected`,
      `asking ${id} to register "granted" for 7200 s`,
      `${id} granted "granted" for 60 s`,
      new RegExp(`could not register "refused" at ${id}, trying again in 1 s - UnavailableError`),
      `asking ${id} for 500 of "listed" from the beginning`,
      `${id} listed 0 of "listed"`,
      `telling ${id} to unregister "granted"`
    ]) {
      expect(lines).toContainEqual(typeof line === 'string' ? line : expect.stringMatching(line))
    }
  })
})

describe('a point that is watched by its address', () => {
  afterEach(stopNodes)

  it('is found again there after others were named and it has forgotten everything', async () => {
    const address = '/memory/watched-by-address'
    const first = await pointNode({}, { addresses: { listen: [address] } })
    const node = await clientNode({ discoverInterval: 50 })
    const { rendezvous } = node.services
    const watch = rendezvous.watch('ns', { point: addressOf(first) })
    const found = watch.next()
    await expect.poll(() => node.getConnections(first.peerId).length).toBe(1)
    const { privateKey } = (first as any).components
    await first.stop()
    await node.peerStore.delete(first.peerId)
    await rendezvous.discoverPage('ns', { point: await nowhere() }).catch(() => {})
    const second = await pointNode({}, { addresses: { listen: [address] }, privateKey })
    const other = await clientNode({ points: [addressOf(second)] })
    await other.services.rendezvous.register('ns')

    expect((await found).value.id.equals(other.peerId)).toBe(true)
    await watch.return(undefined)
  })
})
