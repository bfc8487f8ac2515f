import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { RecordEnvelope } from '@libp2p/peer-record'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { Refusal } from '../../src/point/checks.ts'
import { decodeRequest } from '../../src/point/codec.ts'
import { encodeCookie } from '../../src/point/cookie.ts'
import { refuse } from '../../src/point/handler.ts'
import { pointSettings } from '../../src/point/settings.ts'
import { Message } from '../../src/protocol/message.ts'
import { Status } from '../../src/protocol/errors.ts'
import { sealPeerRecord } from '../../src/protocol/peer-record.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { badRecords, envelope, envelopeOfAddresses, identity } from '../fixtures/records.ts'
import { ORIGIN } from '../fixtures/origin.ts'
import { CONNECTION, discover, handlerOf, NOW, register, unregister } from '../fixtures/requests.ts'
import type { Authorization, Authorize, AuthorizeRequest, RendezvousPointInit } from '../../src/point/types.ts'
import type { RecordDomain } from '../../src/protocol/peer-record.ts'
import type { RegistrationStore, StoredRegistration } from '../../src/store/types.ts'
import type { PeerId, PrivateKey } from '@libp2p/interface'
import type { Identity } from '../fixtures/records.ts'

const HOUR = 60 * 60 * 1000

let alice: Identity
let bob: Identity
let record: Uint8Array

beforeAll(async () => {
  [alice, bob] = await Promise.all([identity(), identity()])
  record = await envelope(alice)
})

afterEach(() => { vi.restoreAllMocks() })

/** A store that works, but for what a test replaces. */
function storeWith (broken: Partial<RegistrationStore>, store: RegistrationStore = new MemoryStore()): RegistrationStore {
  return {
    get size () { return store.size },
    register: store.register.bind(store),
    unregister: store.unregister.bind(store),
    list: store.list.bind(store),
    registrationsOf: store.registrationsOf.bind(store),
    expire: store.expire.bind(store),
    nextExpiry: store.nextExpiry.bind(store),
    ...broken
  }
}

const never = async (): Promise<never> => new Promise<never>(() => {})

describe('REGISTER', () => {
  it('is granted, and says for how long', async () => {
    const { ask, store } = handlerOf()
    const { message, outcome } = await ask(alice.peerId, register('my-app', record, 7_200n))

    expect(message).toEqual({ type: 'REGISTER_RESPONSE', registerResponse: { status: Status.OK, ttl: 7_200n } })
    expect(outcome).toMatchObject({
      type: 'registration:added',
      registration: { namespace: 'my-app', peer: alice.peerId.toString(), signedPeerRecord: record, expires: NOW + 2 * HOUR }
    })
    expect(store.size).toMatchObject({ registrations: 1, namespaces: 1, peers: 1 })
  })

  it('is granted for the default when it names no TTL', async () => {
    const { ask } = handlerOf({ defaultTtl: 3 * HOUR })
    const { message, outcome } = await ask(alice.peerId, register('my-app', record))

    expect(message?.registerResponse?.ttl).toBe(10_800n)
    expect(outcome).toMatchObject({ registration: { expires: NOW + 3 * HOUR } })
  })

  it('replaces what the same peer registered there, and takes a new place', async () => {
    const { ask, store } = handlerOf()
    await ask(alice.peerId, register('my-app', record))
    const { outcome } = await ask(alice.peerId, register('my-app', await envelope(alice, { sequence: 2n }), 10_000n), { now: NOW + 1_000 })

    expect(outcome.type).toBe('registration:refreshed')
    expect(store.size.registrations).toBe(1)
    expect(outcome).toMatchObject({ registration: { expires: NOW + 1_000 + 10_000_000 } })
  })

  it('is added, not refreshed, after the one before has expired', async () => {
    const { ask } = handlerOf()
    await ask(alice.peerId, register('my-app', record, 7_200n))
    const { outcome } = await ask(alice.peerId, register('my-app', record, 7_200n), { now: NOW + 2 * HOUR })

    expect(outcome.type).toBe('registration:added')
  })

  it.each([
    ['no namespace', undefined],
    ['an empty namespace', ''],
    ['a namespace of 256 bytes', 'x'.repeat(256)],
    ['a namespace of 128 characters in 256 bytes', 'é'.repeat(128)]
  ])('is refused for %s', async (_, namespace) => {
    const { ask, store } = handlerOf()
    const { message, outcome } = await ask(alice.peerId, register(namespace, record))

    expect(message).toMatchObject({ type: 'REGISTER_RESPONSE', registerResponse: { status: Status.E_INVALID_NAMESPACE } })
    expect(outcome).toMatchObject({ type: 'registration:rejected', namespace, status: Status.E_INVALID_NAMESPACE })
    expect(store.size.registrations).toBe(0)
  })

  it.each(['x'.repeat(255), '漢'.repeat(85), '\u0000', '\ufeff'])('is granted for the namespace %j', async namespace => {
    const { ask } = handlerOf()
    await ask(alice.peerId, register(namespace, record))
    const { message } = await ask(bob.peerId, discover(namespace))

    expect(message?.discoverResponse?.registrations.map(({ ns }) => ns)).toEqual([namespace])
  })

  it.each([0n, 1n, 7_199n, 259_201n, 2n ** 53n + 1n, 2n ** 64n - 1n])('is refused for a TTL of %d seconds', async ttl => {
    const { ask, store } = handlerOf()
    const { message } = await ask(alice.peerId, register('my-app', record, ttl))

    expect(message?.registerResponse).toEqual({
      status: Status.E_INVALID_TTL,
      statusText: `a TTL of 7200 to 259200 seconds is accepted, not ${ttl}`
    })
    expect(store.size.registrations).toBe(0)
  })

  it.each([7_200n, 259_200n])('is granted for a TTL of %d seconds', async ttl => {
    const { message } = await handlerOf().ask(alice.peerId, register('my-app', record, ttl))

    expect(message?.registerResponse).toEqual({ status: Status.OK, ttl })
  })

  it('names only such bounds for the TTL as it accepts', async () => {
    const { ask } = handlerOf({ minTtl: 1_500, defaultTtl: 2_000, maxTtl: 9_500 })
    const { message } = await ask(alice.peerId, register('my-app', record, 10n))

    expect(message?.registerResponse?.statusText).toContain('2 to 9 seconds')
    await expect(ask(alice.peerId, register('my-app', record, 2n))).resolves.toMatchObject({ outcome: { type: 'registration:added' } })
    await expect(ask(alice.peerId, register('my-app', record, 9n))).resolves.toMatchObject({ outcome: { type: 'registration:refreshed' } })
  })

  it('is refused without a record', async () => {
    const { message } = await handlerOf().ask(alice.peerId, register('my-app', undefined))

    expect(message?.registerResponse).toEqual({ status: Status.E_INVALID_SIGNED_PEER_RECORD, statusText: 'a signed peer record is required' })
  })

  it('is refused for every record that is not as it should be, and says why', async () => {
    const { ask, store } = handlerOf()

    for (const [name, bad, says] of await badRecords(alice, bob)) {
      const { message } = await ask(alice.peerId, register('my-app', bad))

      expect(message?.registerResponse?.status, name).toBe(Status.E_INVALID_SIGNED_PEER_RECORD)
      expect(message?.registerResponse?.statusText, name).toMatch(says)
    }

    expect(store.size.registrations).toBe(0)
  })

  it('is refused for the record of another peer, known or not', async () => {
    const { ask, store } = handlerOf()

    for (let time = 0; time < 2; time++) {
      const { message } = await ask(bob.peerId, register('my-app', record))
      expect(message?.registerResponse).toEqual({ status: Status.E_NOT_AUTHORIZED, statusText: 'a peer may register only itself' })
      await ask(alice.peerId, register('other', record))
    }

    expect(store.size).toMatchObject({ registrations: 1, peers: 1 })
  })
})

describe('REGISTER in both forms', () => {
  const plain = 'libp2p-peer-record'
  const rust = 'libp2p-routing-state'
  const addresses = ['/ip4/10.0.0.1/tcp/4001']
  const seal = async (by: { peerId: PeerId, privateKey: PrivateKey } = alice, domain: RecordDomain = plain, sequence = 1n, at = addresses): Promise<Uint8Array> =>
    sealPeerRecord({ peerId: by.peerId, multiaddrs: at.map(address => multiaddr(address)), sequence, domain }, by.privateKey)

  it.each([[plain, rust], [rust, plain]] as const)('is kept in both, whichever comes first, and listed to each reader in its own: %s', async (first, second) => {
    const { ask, store } = handlerOf()
    const records = { [first]: await seal(alice, first), [second]: await seal(alice, second) }
    const { outcome } = await ask(alice.peerId, register('my-app', records[first], undefined, records[second]))
    const listedTo = async (options: { reads?: RecordDomain }, bothForms = false): Promise<unknown> =>
      (await ask(bob.peerId, discover('my-app', { bothForms }), options)).message?.discoverResponse?.registrations.map(({ signedPeerRecord }) => signedPeerRecord)

    expect(outcome).toMatchObject({ registration: { signedPeerRecord: records[first], domain: first, otherRecord: records[second] } })
    expect(await listedTo({ reads: plain })).toEqual([records[plain]])
    expect(await listedTo({ reads: rust })).toEqual([records[rust]])
    expect(await listedTo({})).toEqual([records[first]])
    expect(await listedTo({ reads: second }, true)).toEqual([records[first]])
    expect(store.size.bytes).toBeGreaterThan(records[first]!.byteLength + records[second]!.byteLength)
  })

  it('has one peer and two forms, and their sequence numbers and addresses may differ', async () => {
    const { ask } = handlerOf()
    const { outcome } = await ask(alice.peerId, register('my-app', record, undefined, await seal(alice, rust, 7n, ['/ip4/10.0.0.2/tcp/1'])))

    expect(outcome.type).toBe('registration:added')
  })

  it('is refused when the other record is wrong in any way, and says that it is that one', async () => {
    const { ask, store } = handlerOf()
    const first = await seal(alice, rust)

    for (const [name, bad, says] of [
      ...await badRecords(alice, bob),
      ['of another peer', await seal(bob), /of another peer/],
      ['in the same form', await seal(alice, rust, 2n), /same form/],
      ['the same', first, /same form/],
      ['with an address that cannot be shown', await envelopeOfAddresses(alice, [Uint8Array.of(0x36, 1, 0xff)]), /address 1/]
    ] as const) {
      if (bad.byteLength === 0) {
        // which is what some send for none
        continue
      }

      const { message } = await ask(alice.peerId, register('my-app', first, undefined, bad))

      expect(message?.registerResponse?.status, name).toBe(Status.E_INVALID_SIGNED_PEER_RECORD)
      expect(message?.registerResponse?.statusText, name).toMatch(/^otherSignedPeerRecord: /)
      expect(message?.registerResponse?.statusText, name).toMatch(says)
    }

    const forged = first.slice()
    forged[forged.length - 1]! ^= 1
    const { message } = await ask(alice.peerId, register('my-app', forged, undefined, record))
    expect(message?.registerResponse?.statusText).toBe('the signature does not match the record')
    expect(store.size.registrations).toBe(0)
  })

  it('has the work with both counted, once', async () => {
    const { ask } = handlerOf()
    const both = register('my-app', await envelopeOfAddresses(alice, Array.from({ length: 64 }, () => multiaddr('/ip4/192.0.2.1/tcp/1').bytes)), undefined, await seal(alice, rust))

    expect((await ask(alice.peerId, both)).work).toBe(2 + 5 + 5)
    expect((await ask(alice.peerId, both)).work).toBe(0)
  })

  it('is kept in the form that is left, where not everybody who reads the other could read it', async () => {
    const { ask } = handlerOf()
    const privateKey = await generateKeyPair('secp256k1')
    const rare = { privateKey, peerId: peerIdFromPrivateKey(privateKey) }
    const kept = async (peer: PeerId, first: Uint8Array, other?: Uint8Array): Promise<unknown> => {
      const { outcome } = await ask(peer, register('my-app', first, undefined, other))
      const { signedPeerRecord, domain, otherRecord } = (outcome as { registration: StoredRegistration }).registration

      return [signedPeerRecord, domain, otherRecord]
    }
    const one = await seal(rare, plain)
    const two = await seal(rare, rust)
    const unread = await seal(alice, rust, 1n, ['/memory/12345678'])

    expect(await kept(rare.peerId, one, two)).toEqual([one, plain, undefined])
    expect(await kept(rare.peerId, two, one)).toEqual([one, plain, undefined])
    expect(await kept(alice.peerId, record, unread)).toEqual([record, plain, undefined])
    expect(await kept(alice.peerId, unread, record)).toEqual([record, plain, undefined])
    // and that of a key of its own kind, which some can read, is for those who read everything
    expect(await kept(rare.peerId, two)).toEqual([two, 'none', undefined])
    expect((await ask(bob.peerId, discover('my-app'), { reads: rust })).outcome).toMatchObject({ registrations: 0 })
    expect((await ask(bob.peerId, discover('my-app'), { reads: plain })).outcome).toMatchObject({ registrations: 1 })
    expect((await ask(bob.peerId, discover('my-app', { bothForms: true }), { reads: plain })).outcome).toMatchObject({ registrations: 2 })
    // known by now, and still nobody's who reads this form
    expect((await ask(alice.peerId, register('my-app', unread))).message?.registerResponse?.statusText).toMatch(/address 1/)
  })

  it('is kept as it came first where the point keeps one, whatever the other is', async () => {
    const { ask } = handlerOf({ keepBothForms: false })
    const { outcome } = await ask(alice.peerId, register('my-app', record, undefined, Uint8Array.of(1)))

    expect(outcome).toMatchObject({ type: 'registration:added', registration: { signedPeerRecord: record, otherRecord: undefined } })
  })
})

describe('the order of checks', () => {
  it('is the cheapest first', async () => {
    const steps: string[] = []
    const store = new MemoryStore()
    noteStep(RecordEnvelope, 'createFromProtobuf', () => steps.push('record'))
    noteStep(RecordEnvelope.prototype, 'validate', () => steps.push('signature'))
    noteStep(store, 'register', () => steps.push('store'))
    let allowed = false
    const { ask } = handlerOf({ store, authorize: () => { steps.push('authorize'); return allowed } })
    const stepsOf = async (request: Uint8Array, who = alice): Promise<string[]> => {
      steps.length = 0
      await ask(who.peerId, request)

      return [...steps]
    }

    expect(await stepsOf(register('', record, 1n)), 'a bad namespace').toEqual([])
    expect(await stepsOf(register('my-app', record, 1n)), 'a bad TTL').toEqual([])
    expect(await stepsOf(register('my-app', undefined)), 'no record').toEqual([])
    expect(await stepsOf(register('my-app', record), bob), 'another peer').toEqual(['record'])
    expect(await stepsOf(register('my-app', record)), 'not authorized').toEqual(['record', 'authorize'])
    allowed = true
    expect(await stepsOf(register('my-app', record)), 'fine').toEqual(['record', 'authorize', 'signature', 'store'])
    expect(await stepsOf(register('my-app', record)), 'known').toEqual(['authorize', 'store'])
    expect(await stepsOf(register('other', record)), 'known, elsewhere').toEqual(['authorize', 'store'])
  })

  it('has each status in its turn', async () => {
    const forged = record.slice()
    forged[forged.length - 1]! ^= 1
    const { ask } = handlerOf({ authorize: ({ namespace }) => namespace !== 'closed' })
    const statusOf = async (request: Uint8Array, who = alice): Promise<unknown> => (await ask(who.peerId, request)).message?.registerResponse?.status

    expect(await statusOf(register('', forged, 1n), bob)).toBe(Status.E_INVALID_NAMESPACE)
    expect(await statusOf(register('closed', forged, 1n), bob)).toBe(Status.E_INVALID_TTL)
    expect(await statusOf(register('closed', forged), bob)).toBe(Status.E_NOT_AUTHORIZED)
    expect(await statusOf(register('closed', forged))).toBe(Status.E_NOT_AUTHORIZED)
    expect(await statusOf(register('open', forged))).toBe(Status.E_INVALID_SIGNED_PEER_RECORD)
    expect(await statusOf(register('open', record))).toBe(Status.OK)
  })

  it('has the cookie before authorize, and authorize before the store', async () => {
    const steps: string[] = []
    const { ask } = handlerOf({
      authorize: () => { steps.push('authorize'); return false },
      store: storeWith({ list: () => { steps.push('store'); return undefined } })
    })

    expect((await ask(alice.peerId, discover('x'.repeat(256)))).message?.discoverResponse?.status).toBe(Status.E_INVALID_NAMESPACE)
    expect((await ask(alice.peerId, discover('my-app', { cookie: Uint8Array.of(1) }))).message?.discoverResponse?.status).toBe(Status.E_INVALID_COOKIE)
    expect(steps).toEqual([])
    expect((await ask(alice.peerId, discover('my-app'))).message?.discoverResponse?.status).toBe(Status.E_NOT_AUTHORIZED)
    expect(steps).toEqual(['authorize'])
  })

  function noteStep (owner: any, method: string, note: () => void): void {
    const original = owner[method]
    vi.spyOn(owner, method).mockImplementation(function (this: unknown, ...args: any[]) {
      note()

      return original.apply(this, args)
    })
  }
})

describe('UNREGISTER', () => {
  it('has no response, and removes the registration', async () => {
    const { ask, store } = handlerOf()
    await ask(alice.peerId, register('my-app', record))
    const { response, outcome } = await ask(alice.peerId, unregister('my-app'))

    expect(response).toBeUndefined()
    expect(outcome).toMatchObject({ type: 'registration:removed', registration: { namespace: 'my-app', peer: alice.peerId.toString() } })
    expect(store.size.registrations).toBe(0)
  })

  it.each([undefined, ''])('removes all that the peer has registered when it names nothing: %j', async namespace => {
    const { ask, store } = handlerOf()

    for (const ns of ['one', 'two', 'three']) {
      await ask(alice.peerId, register(ns, record))
    }

    await ask(bob.peerId, register('one', await envelope(bob)))
    const { before, outcome, work, response } = await ask(alice.peerId, unregister(namespace))

    expect([...before ?? [], outcome].map(outcome => 'registration' in outcome && [outcome.type, outcome.registration.namespace]).sort())
      .toEqual([['registration:removed', 'one'], ['registration:removed', 'three'], ['registration:removed', 'two']])
    expect({ work, response }).toEqual({ work: 3, response: undefined })
    expect(store.size).toMatchObject({ registrations: 1, namespaces: 1 })
  })

  it('of all that fails on its way tells what it has removed', async () => {
    const memory = new MemoryStore()
    const cause = new Error('the disk is gone')
    let left = 1
    const { ask } = handlerOf({ store: storeWith({ unregister: async (...args) => { if (left-- === 0) { throw cause } return memory.unregister(...args) } }, memory) })
    await ask(alice.peerId, register('one', record))
    await ask(alice.peerId, register('two', record))

    expect(await ask(alice.peerId, unregister())).toMatchObject({
      before: [{ type: 'registration:removed' }],
      outcome: { type: 'unregister:rejected', namespace: undefined, status: Status.E_UNAVAILABLE, cause },
      work: 1
    })
    expect(memory.size.registrations).toBe(1)
  })

  it.each([undefined, '', 'my-app', 'x'.repeat(10_000)])('does nothing where nothing is registered: %s', async namespace => {
    await expect(handlerOf().ask(alice.peerId, unregister(namespace))).resolves.toMatchObject({ outcome: { type: 'nothing' }, response: undefined })
  })

  it('does not remove what others registered', async () => {
    const { ask, store } = handlerOf()
    await ask(alice.peerId, register('my-app', record))
    await ask(bob.peerId, unregister('my-app'))

    expect(store.size.registrations).toBe(1)
  })

  it('is allowed to those whom nothing else is', async () => {
    const authorize = vi.fn<Authorize>(() => false)
    const { ask } = handlerOf({ authorize })

    await expect(ask(alice.peerId, unregister('my-app'))).resolves.toMatchObject({ outcome: { type: 'nothing' } })
    expect(authorize).not.toHaveBeenCalled()
  })

  it('that cannot be carried out is known to have failed', async () => {
    const cause = new Error('the disk is gone')
    const { ask } = handlerOf({ store: storeWith({ unregister: async () => { throw cause } }) })

    await expect(ask(alice.peerId, unregister('my-app'))).resolves.toMatchObject({
      response: undefined,
      outcome: { type: 'unregister:rejected', namespace: 'my-app', status: Status.E_UNAVAILABLE, cause }
    })
  })
})

describe('DISCOVER', () => {
  async function filled (count: number, init = {}): Promise<ReturnType<typeof handlerOf>> {
    const handler = handlerOf({ maxRegistrationsPerPeer: 1_000_000, ...init })

    for (let i = 0; i < count; i++) {
      handler.store.register({ ...ORIGIN, namespace: 'my-app', peer: `peer ${i}`, signedPeerRecord: Uint8Array.of(i >> 8, i & 255), ttl: HOUR }, NO_LIMITS, NOW)
    }

    return handler
  }

  const NO_LIMITS = { maxRegistrationsPerPeer: Infinity, maxRegistrationsPerNamespace: Infinity, maxNamespaces: Infinity, maxRegistrations: Infinity, maxBytes: Infinity }

  function numbers (message: Message | undefined): number[] | undefined {
    return message?.discoverResponse?.registrations.map(({ signedPeerRecord }) => (signedPeerRecord?.[0] ?? 0) << 8 | (signedPeerRecord?.[1] ?? 0))
  }

  it('lists what was registered, with the record as it was sent and the TTL that is left', async () => {
    const { ask } = handlerOf()
    await ask(alice.peerId, register('my-app', record, 7_200n))
    const { message, outcome } = await ask(bob.peerId, discover('my-app'), { now: NOW + 1_500 })

    expect(message).toEqual({
      type: 'DISCOVER_RESPONSE',
      discoverResponse: {
        status: Status.OK,
        cookie: expect.any(Uint8Array),
        registrations: [{ ns: 'my-app', signedPeerRecord: record, ttl: 7_199n }]
      }
    })
    expect(outcome).toEqual({ type: 'discover:served', namespace: 'my-app', registrations: 1 })
  })

  it('lists in the order in which they were made, a refresh last', async () => {
    const { ask, store } = await filled(4)
    store.register({ ...ORIGIN, namespace: 'my-app', peer: 'peer 1', signedPeerRecord: Uint8Array.of(0, 1), ttl: HOUR }, NO_LIMITS, NOW)

    expect(numbers((await ask(alice.peerId, discover('my-app'))).message)).toEqual([0, 2, 3, 1])
  })

  it('never lists what has expired', async () => {
    const { ask } = await filled(1)

    expect(numbers((await ask(alice.peerId, discover('my-app'), { now: NOW + HOUR - 1 })).message)).toEqual([0])
    expect(numbers((await ask(alice.peerId, discover('my-app'), { now: NOW + HOUR })).message)).toEqual([])
  })

  it.each([undefined, ''])('lists all namespaces when it names none: %j', async namespace => {
    const { ask } = handlerOf()
    await ask(alice.peerId, register('one', record))
    await ask(alice.peerId, register('two', record))
    const { message, outcome } = await ask(bob.peerId, discover(namespace))

    expect(message?.discoverResponse?.registrations.map(({ ns }) => ns)).toEqual(['one', 'two'])
    expect(outcome).toEqual({ type: 'discover:served', namespace: undefined, registrations: 2 })
  })

  it('lists nothing in a namespace that nobody is registered in, with a cookie all the same', async () => {
    const { message } = await handlerOf().ask(bob.peerId, discover('my-app'))

    expect(message?.discoverResponse).toMatchObject({ status: Status.OK, registrations: [] })
    expect(message?.discoverResponse?.cookie?.byteLength).toBe(8 + 'my-app'.length)
  })

  it.each([
    [undefined, 5],
    [0n, 5],
    [1n, 1],
    [3n, 3],
    [5n, 5],
    [6n, 5],
    [2n ** 53n + 1n, 5],
    [2n ** 64n - 1n, 5]
  ])('with a limit of %s lists %d of 8 where 5 are the most', async (limit, expected) => {
    const { ask } = await filled(8, { maxDiscoverLimit: 5 })

    expect(numbers((await ask(alice.peerId, discover('my-app', limit == null ? {} : { limit }))).message)).toHaveLength(expected)
  })

  it('goes on behind the cookie', async () => {
    const { ask } = await filled(8)
    const pages = []
    let cookie: Uint8Array | undefined

    for (let page = 0; page < 4; page++) {
      const { message } = await ask(alice.peerId, discover('my-app', { limit: 3n, cookie }))
      cookie = message?.discoverResponse?.cookie
      pages.push(numbers(message))
    }

    expect(pages).toEqual([[0, 1, 2], [3, 4, 5], [6, 7], []])
  })

  it('takes an empty cookie for none', async () => {
    const { ask } = await filled(2)

    expect(numbers((await ask(alice.peerId, discover('my-app', { cookie: new Uint8Array() }))).message)).toEqual([0, 1])
  })

  it('refuses a cookie of another namespace, of no namespace, and of another store', async () => {
    const { ask } = await filled(2)
    const other = await filled(2)
    const cookieOf = async (asked: typeof ask, namespace?: string): Promise<Uint8Array | undefined> => (await asked(alice.peerId, discover(namespace))).message?.discoverResponse?.cookie
    const statusWith = async (namespace: string | undefined, cookie: Uint8Array | undefined): Promise<unknown> => (await ask(alice.peerId, discover(namespace, { cookie }))).message?.discoverResponse?.status

    const cookie = await cookieOf(ask, 'my-app')
    const all = await cookieOf(ask)
    expect(await statusWith('my-app', cookie)).toBe(Status.OK)
    expect(await statusWith(undefined, all)).toBe(Status.OK)
    expect(await statusWith('other', cookie)).toBe(Status.E_INVALID_COOKIE)
    expect(await statusWith(undefined, cookie)).toBe(Status.E_INVALID_COOKIE)
    expect(await statusWith('my-app', all)).toBe(Status.E_INVALID_COOKIE)
    expect(await statusWith('my-app', await cookieOf(other.ask, 'my-app'))).toBe(Status.E_INVALID_COOKIE)
    expect(await statusWith('my-app', Uint8Array.of(1, 2, 3, 4, 5, 6, 7))).toBe(Status.E_INVALID_COOKIE)
    expect(await statusWith('my-app', new Uint8Array(8).fill(255))).toBe(Status.E_INVALID_COOKIE)
    expect(await statusWith('my-app', Uint8Array.from([...(cookie ?? []), 0xc3]))).toBe(Status.E_INVALID_COOKIE)
  })

  it('says what is wrong with a cookie', async () => {
    const { ask } = await filled(1)
    const textWith = async (namespace: string, cookie: Uint8Array): Promise<unknown> => (await ask(alice.peerId, discover(namespace, { cookie }))).message?.discoverResponse?.statusText

    expect(await textWith('my-app', encodeCookie({ cursor: 1, namespace: 'other' }))).toBe('the cookie was made for another namespace')
    expect(await textWith('my-app', encodeCookie({ cursor: 1, namespace: 'my-app' }))).toBe('the cookie was made by another store')
  })

  it('says what was refused', async () => {
    await expect(handlerOf().ask(alice.peerId, discover('my-app', { cookie: Uint8Array.of(1) }))).resolves.toMatchObject({
      message: { type: 'DISCOVER_RESPONSE', discoverResponse: { registrations: [], status: Status.E_INVALID_COOKIE, statusText: 'the cookie is malformed' } },
      outcome: { type: 'discover:rejected', namespace: 'my-app', status: Status.E_INVALID_COOKIE }
    })
  })

  it('lists each registration that was there throughout exactly once, whatever happens in between', async () => {
    const { ask, store } = await filled(300)
    const listed: number[] = []
    let cookie: Uint8Array | undefined
    let step = 0

    while (true) {
      const { message } = await ask(alice.peerId, discover('my-app', { limit: 7n, cookie }))
      const page = numbers(message) ?? []

      if (page.length === 0) {
        break
      }

      listed.push(...page)
      cookie = message?.discoverResponse?.cookie

      // the last hundred are refreshed, removed, and joined by others
      if (++step <= 40) {
        store.register({ ...ORIGIN, namespace: 'my-app', peer: `peer ${200 + step}`, signedPeerRecord: Uint8Array.of(255, 255), ttl: HOUR }, NO_LIMITS, NOW)
        store.unregister('my-app', `peer ${250 + step}`, NOW)
        store.register({ ...ORIGIN, namespace: 'my-app', peer: `newcomer ${step}`, signedPeerRecord: Uint8Array.of(255, 255), ttl: HOUR }, NO_LIMITS, NOW)
      }
    }

    const throughout = Array.from({ length: 200 }, (_, i) => i)
    expect(listed.filter(number => number < 200)).toEqual(throughout)
  })
})

describe('a peer that can read records of one form only', () => {
  const reads = 'libp2p-routing-state'
  let readable: Uint8Array

  beforeAll(async () => {
    readable = await sealPeerRecord({ peerId: bob.peerId, multiaddrs: [multiaddr('/ip4/10.0.0.1/tcp/4001')], sequence: 1n, domain: reads }, bob.privateKey)
  })

  /** Registers peers in turn, `1` those whose record can be read and `0` others. */
  function registered (forms: string, init: RendezvousPointInit = {}): ReturnType<typeof handlerOf> {
    const handler = handlerOf(init)

    Array.from(forms, (form, i) => handler.store.register({
      ...ORIGIN, namespace: 'my-app', peer: `peer ${i}`, signedPeerRecord: form === '1' ? readable : record, domain: form === '1' ? reads : ORIGIN.domain, ttl: HOUR
    }, pointSettings({}), NOW))

    return handler
  }

  it('is listed those, and whoever can read all is listed all', async () => {
    const { ask } = registered('0110')

    expect(await ask(alice.peerId, discover('my-app'), { reads })).toMatchObject({ work: 0, outcome: { registrations: 2 }, message: { discoverResponse: { registrations: [{ signedPeerRecord: readable }, { signedPeerRecord: readable }] } } })
    expect(await ask(alice.peerId, discover('my-app'))).toMatchObject({ work: 0, outcome: { registrations: 4 } })
  })

  it('is listed as many as it asked for, whatever lies between, and goes on behind them', async () => {
    const { ask } = registered('0010110')
    const first = await ask(alice.peerId, discover('my-app', { limit: 2n }), { reads })
    const second = await ask(alice.peerId, discover('my-app', { limit: 2n, cookie: first.message?.discoverResponse?.cookie }), { reads })
    const third = await ask(alice.peerId, discover('my-app', { limit: 2n, cookie: second.message?.discoverResponse?.cookie }), { reads })

    expect([first, second, third].map(({ outcome, work }) => ({ outcome, work }))).toMatchObject([
      { outcome: { registrations: 2 }, work: 0 },
      { outcome: { registrations: 1 }, work: 0 },
      { outcome: { registrations: 0 }, work: 0 }
    ])
  })

  it('is listed what lies behind however many that it cannot read, in one go', async () => {
    const { ask } = registered(`${'0'.repeat(500)}1`, { maxDiscoverLimit: 2 })

    expect(await ask(alice.peerId, discover('my-app'), { reads })).toMatchObject({ outcome: { registrations: 1 }, work: 0 })
  })
})

describe('a peer of which it is not known yet what it reads', () => {
  it('is listed what it reads when that is known', async () => {
    const { ask } = handlerOf()
    await ask(alice.peerId, register('my-app', record))
    const reads = Promise.withResolvers<RecordDomain>()
    let isAnswered = false
    const answer = ask(bob.peerId, discover('my-app'), { reads: reads.promise }).then(answer => {
      isAnswered = true

      return answer
    })
    await new Promise(setImmediate)
    expect(isAnswered).toBe(false)
    reads.resolve('libp2p-routing-state')

    expect((await answer).outcome).toMatchObject({ type: 'discover:served', registrations: 0 })
  })

  it.each([
    ['there is nothing to list', 'empty', {}],
    ['there is nothing to list from', 'empty', { sample: true }],
    ['it reads both forms', 'my-app', { bothForms: true }]
  ])('is not waited for where %s', async (_, namespace, options) => {
    const { ask } = handlerOf()
    await ask(alice.peerId, register('my-app', record))

    expect((await ask(bob.peerId, discover(namespace, options), { reads: new Promise(() => {}) })).message?.discoverResponse)
      .toMatchObject({ status: Status.OK, registrations: namespace === 'empty' ? [] : [{ signedPeerRecord: record }] })
  })

  it('is refused a cookie without being waited for', async () => {
    expect((await handlerOf().ask(bob.peerId, discover('my-app', { cookie: new Uint8Array(14) }), { reads: new Promise(() => {}) })).outcome).toMatchObject({ status: Status.E_INVALID_COOKIE })
  })
})

describe('limits', () => {
  it.each([
    ['maxRegistrationsPerPeer', { maxRegistrationsPerPeer: 2 }, ['a', 'b'], 'c'],
    ['maxNamespaces', { maxNamespaces: 2 }, ['a', 'b'], 'c'],
    ['maxRegistrations', { maxRegistrations: 2 }, ['a', 'b'], 'c']
  ])('%s is named when it is reached, and does not stop a refresh', async (limit, init, namespaces, next) => {
    const { ask, store } = handlerOf(init)

    for (const namespace of namespaces) {
      await ask(alice.peerId, register(namespace, record))
    }

    const { message, outcome } = await ask(alice.peerId, register(next, record))
    expect(message?.registerResponse).toEqual({ status: Status.E_UNAVAILABLE, statusText: `${limit} (2) is reached` })
    expect(outcome).toMatchObject({ type: 'registration:rejected', namespace: next, status: Status.E_UNAVAILABLE })
    await expect(ask(alice.peerId, register('a', record))).resolves.toMatchObject({ outcome: { type: 'registration:refreshed' } })
    expect(store.size.registrations).toBe(2)
  })

  it('maxRegistrationsPerNamespace is named when it is reached, and does not stop a refresh', async () => {
    const { ask } = handlerOf({ maxRegistrationsPerNamespace: 1 })
    await ask(alice.peerId, register('my-app', record))

    expect((await ask(bob.peerId, register('my-app', await envelope(bob)))).message?.registerResponse)
      .toEqual({ status: Status.E_UNAVAILABLE, statusText: 'maxRegistrationsPerNamespace (1) is reached' })
    await expect(ask(alice.peerId, register('my-app', record))).resolves.toMatchObject({ outcome: { type: 'registration:refreshed' } })
  })

  it.each([
    ['a store that answers at once', new MemoryStore()],
    ['a store that takes its time', slow(new MemoryStore())]
  ])('let one of a hundred that race for the last place have it, in %s', async (_, store) => {
    const peers = await Promise.all(Array.from({ length: 100 }, async () => {
      const one = await identity()

      return { ...one, record: await envelope(one) }
    }))
    const { ask } = handlerOf({ store, maxRegistrationsPerNamespace: 1 })
    const statuses = await Promise.all(peers.map(async ({ peerId, record }) => (await ask(peerId, register('my-app', record))).message?.registerResponse?.status))

    expect(statuses.filter(status => status === Status.OK)).toHaveLength(1)
    expect(statuses.filter(status => status === Status.E_UNAVAILABLE)).toHaveLength(99)
    expect(store.size.registrations).toBe(1)
  })

  function slow (store: MemoryStore): RegistrationStore {
    return storeWith({
      register: async (...args) => {
        await null

        return store.register(...args)
      }
    }, store)
  }
})

describe('authorize', () => {
  it('is asked with all there is to know', async () => {
    const requests: AuthorizeRequest[] = []
    const { ask } = handlerOf({ authorize: request => { requests.push(request); return true } })
    const { signal } = new AbortController()
    await ask(alice.peerId, register('my-app', record), { signal })
    await ask(alice.peerId, discover('my-app'), { signal })
    await ask(alice.peerId, discover(undefined, { token: 'a token' }), { signal })
    const verifying = expect.any(Function)

    expect(requests).toEqual([
      { peer: alice.peerId, action: 'register', namespace: 'my-app', token: undefined, verifying, remoteAddr: CONNECTION.remoteAddr, connection: CONNECTION, signal },
      { peer: alice.peerId, action: 'discover', namespace: 'my-app', token: undefined, verifying, remoteAddr: CONNECTION.remoteAddr, connection: CONNECTION, signal },
      { peer: alice.peerId, action: 'discover', namespace: undefined, token: 'a token', verifying, remoteAddr: CONNECTION.remoteAddr, connection: CONNECTION, signal }
    ])
  })

  it.each<[string, Authorize]>([
    ['by peer', ({ peer }) => peer?.equals(alice.peerId) !== true],
    ['by peer, later', async ({ peer }) => peer?.equals(alice.peerId) !== true],
    ['by action', ({ action }) => action !== 'register'],
    ['by namespace', ({ namespace }) => namespace !== 'my-app'],
    ['by throwing', () => { throw new Error('secret') }],
    ['by rejecting', async () => { throw new Error('secret') }],
    ['with something that is not true', () => 'yes' as unknown as boolean],
    ['with nothing', (() => {}) as unknown as Authorize]
  ])('refuses %s', async (_, authorize) => {
    const { ask, store } = handlerOf({ authorize })
    const { message } = await ask(alice.peerId, register('my-app', record))

    expect(message?.registerResponse).toEqual({ status: Status.E_NOT_AUTHORIZED, statusText: 'this point does not allow it' })
    expect(store.size.registrations).toBe(0)
  })

  it('refuses to discover', async () => {
    const { ask } = handlerOf({ authorize: ({ action }) => action === 'register' })
    await ask(alice.peerId, register('my-app', record))

    expect((await ask(bob.peerId, discover('my-app'))).message?.discoverResponse)
      .toEqual({ registrations: [], status: Status.E_NOT_AUTHORIZED, statusText: 'this point does not allow it' })
  })

  it('has refused when the time of the request is up, even if it should agree later', async () => {
    const controller = new AbortController()
    const verdict = Promise.withResolvers<boolean>()
    const { ask, store } = handlerOf({ authorize: async () => verdict.promise })
    const answer = ask(alice.peerId, register('my-app', record), { signal: controller.signal })
    controller.abort()

    expect((await answer).message?.registerResponse?.status).toBe(Status.E_NOT_AUTHORIZED)
    verdict.resolve(true)
    await null
    expect(store.size.registrations).toBe(0)
  })

  it('has refused when it is asked too late, and may fail afterwards', async () => {
    const { ask } = handlerOf({ authorize: async () => { throw new Error('late') } })

    expect((await ask(alice.peerId, discover('my-app'), { signal: AbortSignal.abort() })).message?.discoverResponse?.status).toBe(Status.E_NOT_AUTHORIZED)
  })

  it('says why it refuses, where it gives a reason', async () => {
    const { ask } = handlerOf({ authorize: async () => ({ isAllowed: false, reason: 'not on Sundays' }) })

    expect((await ask(alice.peerId, discover('my-app'))).message?.discoverResponse)
      .toEqual({ registrations: [], status: Status.E_NOT_AUTHORIZED, statusText: 'not on Sundays' })
  })

  it.each([null, {}, { isAllowed: 'yes' }])('refuses with %o', async answer => {
    const { ask } = handlerOf({ authorize: () => answer as unknown as Authorization })

    expect((await ask(alice.peerId, discover('my-app'))).message?.discoverResponse?.status).toBe(Status.E_NOT_AUTHORIZED)
  })

  it('may allow it until some time, which is when the registration ends at the latest', async () => {
    const until = NOW + 90_500
    const { ask, store } = handlerOf({ authorize: () => ({ isAllowed: true, until }) })
    const { message } = await ask(alice.peerId, register('my-app', record))

    expect(message?.registerResponse).toEqual({ status: Status.OK, ttl: 91n })
    expect(await store.registrationsOf(alice.peerId.toString(), NOW)).toMatchObject([{ expires: until }])
    const { ask: askLonger } = handlerOf({ authorize: () => ({ isAllowed: true, until: NOW + 7_200_000 }) })
    expect((await askLonger(alice.peerId, register('my-app', record, 7_200n))).message?.registerResponse?.ttl).toBe(7_200n)
  })

  it('has each signature that it verifies counted, and none verified when there were too many', async () => {
    let verified = 0
    const authorize: Authorize = async ({ verifying }) => {
      for (let i = 0; i < 100; i++) {
        verifying()
        verified++
      }

      return true
    }
    const { ask } = handlerOf({ authorize })

    for (let i = 0; i < 10; i++) {
      expect(await ask(bob.peerId, discover('my-app'))).toMatchObject({ work: 500, outcome: { type: 'discover:served' } })
    }

    const { message, work } = await ask(bob.peerId, discover('my-app'))
    expect([message?.discoverResponse?.status, message?.discoverResponse?.statusText, work]).toEqual([Status.E_UNAVAILABLE, 'this point is sent more tokens than it can verify', 0])
    expect((await ask(alice.peerId, register('my-app', record))).message?.registerResponse?.status).toBe(Status.E_UNAVAILABLE)
    expect(verified).toBe(1_000)
    expect(await ask(bob.peerId, discover('my-app'), { now: NOW + 1_000 })).toMatchObject({ work: 500 })
  })

  it('tells the log why it failed, and nobody else', async () => {
    const cause = new Error('secret')
    const { ask } = handlerOf({ authorize: () => { throw cause } })
    const { outcome, response } = await ask(alice.peerId, discover('my-app'))

    expect(outcome).toMatchObject({ cause })
    expect(new TextDecoder().decode(response)).not.toContain('secret')
  })
})

describe('a store that cannot be reached', () => {
  const failure = new Error('secret')

  it.each<[string, () => any]>([
    ['throws', () => { throw failure }],
    ['rejects', async () => { throw failure }]
  ])('and %s is E_UNAVAILABLE, without saying why', async (_, fail) => {
    const { ask } = handlerOf({ store: storeWith({ register: fail, list: fail }) })

    for (const request of [register('my-app', record), discover('my-app')]) {
      const { message, outcome, response } = await ask(alice.peerId, request)

      expect(message?.registerResponse ?? message?.discoverResponse).toMatchObject({ status: Status.E_UNAVAILABLE, statusText: 'the store of this point cannot be reached' })
      expect(outcome).toMatchObject({ cause: failure })
      expect(new TextDecoder().decode(response)).not.toContain('secret')
    }
  })

  it('and stalls is E_UNAVAILABLE once the time of the request is up', async () => {
    const { ask } = handlerOf({ store: storeWith({ register: never, list: never, unregister: never }) })

    for (const request of [register('my-app', record), discover('my-app'), unregister('my-app')]) {
      const controller = new AbortController()
      const answer = ask(alice.peerId, request, { signal: controller.signal })
      setImmediate(() => { controller.abort() })

      expect((await answer).outcome).toMatchObject({ status: Status.E_UNAVAILABLE })
    }
  })

  it('and answers with promises of another kind is waited for', async () => {
    const memory = new MemoryStore()
    // one that does its work only when somebody waits for it
    const later = (work: () => unknown): any => ({ then: async (onDone: (value: unknown) => unknown) => Promise.resolve().then(work).then(onDone) })
    const { ask } = handlerOf({
      store: storeWith({
        register: (...args) => later(() => memory.register(...args)),
        list: (...args) => later(() => memory.list(...args))
      })
    })

    expect((await ask(alice.peerId, register('my-app', record))).outcome).toMatchObject({ type: 'registration:added', registration: { namespace: 'my-app' } })
    expect((await ask(alice.peerId, discover('my-app'))).message?.discoverResponse?.registrations).toHaveLength(1)
  })

  it('and fails after the time is up fails nobody else', async () => {
    const { ask } = handlerOf({ store: storeWith({ list: async () => { throw failure } }) })

    expect((await ask(alice.peerId, discover('my-app'), { signal: AbortSignal.abort() })).outcome).toMatchObject({ status: Status.E_UNAVAILABLE })
  })
})

describe('DISCOVER of a sample', () => {
  it('is answered with some of those that are registered, whichever, and a cookie behind all of them', async () => {
    const { ask, store } = handlerOf()
    const add = (i: number): unknown => store.register({ ...ORIGIN, network: `198.${i % 10}/0/1`, namespace: 'my-app', peer: `peer ${i}`, signedPeerRecord: Uint8Array.of(i), ttl: HOUR }, pointSettings({}), NOW)
    Array.from({ length: 100 }, (_, i) => add(i))
    const numbers = ({ message }: { message: Message | undefined }): number[] => message?.discoverResponse?.registrations.map(({ signedPeerRecord }) => signedPeerRecord?.[0] ?? -1) ?? []

    const first = await ask(alice.peerId, discover('my-app', { limit: 10n, sample: true }))
    const second = await ask(alice.peerId, discover('my-app', { limit: 10n, sample: true }))
    expect(new Set(numbers(first)).size).toBe(10)
    // one of each network
    expect(new Set(numbers(first).map(number => number % 10)).size).toBe(10)
    expect(numbers(second)).not.toEqual(numbers(first))

    const { cookie } = first.message?.discoverResponse ?? {}
    expect(numbers(await ask(alice.peerId, discover('my-app', { cookie })))).toEqual([])
    add(100)
    expect(numbers(await ask(alice.peerId, discover('my-app', { cookie })))).toEqual([100])
  })

  it('is refused a cookie that is none, and otherwise ignores it', async () => {
    const { ask } = handlerOf()
    await ask(alice.peerId, register('my-app', record))
    const { message } = await ask(alice.peerId, discover('my-app'))

    expect((await ask(alice.peerId, discover('my-app', { sample: true, cookie: Uint8Array.of(1) }))).outcome).toMatchObject({ status: Status.E_INVALID_COOKIE })
    expect((await ask(alice.peerId, discover('my-app', { sample: true, cookie: message?.discoverResponse?.cookie }))).outcome).toMatchObject({ registrations: 1 })
  })
})

describe('a peer that has not read what was listed to it', () => {
  it('is listed more when it has', async () => {
    const { ask } = handlerOf()
    const room = Promise.withResolvers<void>()
    let isAnswered = false
    const answer = ask(alice.peerId, discover('my-app'), { room: () => room.promise }).then(answer => {
      isAnswered = true

      return answer
    })
    await new Promise(setImmediate)

    expect(isAnswered).toBe(false)
    room.resolve()
    expect((await answer).outcome).toMatchObject({ type: 'discover:served' })
  })

  it('is refused when it takes too long', async () => {
    const { ask } = handlerOf()
    const { outcome } = await ask(alice.peerId, discover('my-app'), { room: async () => new Promise(() => {}), signal: AbortSignal.abort() })

    expect(outcome).toMatchObject({ type: 'discover:rejected', status: Status.E_UNAVAILABLE, statusText: 'what was listed before has not been read' })
  })
})

describe('the work of a request', () => {
  it('is more where a signature has to be verified, whatever comes of it', async () => {
    const { ask } = handlerOf({ maxRegistrationsPerPeer: 1 })
    const other = await envelope(alice, { sequence: 2n })
    const forged = (await envelope(alice, { sequence: 3n })).slice()
    forged[forged.length - 1]! ^= 1
    const works: number[] = []

    for (const request of [register('my-app', record), register('my-app', record), register('full', other), register('my-app', forged), register('my-app', undefined), discover('my-app')]) {
      works.push((await ask(alice.peerId, request)).work)
    }

    expect(works).toEqual([5, 0, 5, 5, 0, 0])
  })

  it('is more with a key that takes longer, and with a record that takes longer to open', async () => {
    const { ask } = handlerOf()
    const privateKey = await generateKeyPair('secp256k1')
    const slow = { privateKey, peerId: peerIdFromPrivateKey(privateKey) }
    const addresses = Array.from({ length: 64 }, (_, i) => multiaddr(`/ip4/192.0.2.${i}/tcp/1`).bytes)
    const works: number[] = []

    for (const [who, bytes] of [[slow, await envelopeOfAddresses(slow, addresses.slice(0, 1))], [alice, await envelopeOfAddresses(alice, addresses)], [alice, new Uint8Array(800)]] as const) {
      works.push((await ask(who.peerId, register('my-app', bytes))).work)
    }

    expect(works).toEqual([6 + 60, 2 + 5, 2 + 6])
  })

  it('is done for a network up to a budget of all its peers, beyond which only what is known is verified', async () => {
    const { ask } = handlerOf({ maxRegistrationsPerPeer: 10_000 })
    const status = async (bytes: Uint8Array, now: number): Promise<unknown> => (await ask(alice.peerId, register('my-app', bytes), { now })).message?.registerResponse?.status
    // what cannot be opened counts, too
    const broken = new Uint8Array(4_000)

    expect(await status(record, NOW)).toBe(Status.OK)

    for (let i = 0; i < 313; i++) {
      expect(await status(broken, NOW)).toBe(Status.E_INVALID_SIGNED_PEER_RECORD)
    }

    expect(await status(broken, NOW)).toBe(Status.E_UNAVAILABLE)
    expect(await status(await envelope(alice, { sequence: 2n }), NOW)).toBe(Status.E_UNAVAILABLE)
    expect(await status(record, NOW)).toBe(Status.OK)
    expect(await status(await envelope(alice, { sequence: 2n }), NOW + 1_000)).toBe(Status.OK)
  })
})

describe('a record that some could not read', () => {
  it('is refused without looking at its signature, and says which address it is', async () => {
    const { ask } = handlerOf()
    const good = multiaddr('/ip4/192.0.2.1/tcp/4001').bytes
    const bytes = await envelopeOfAddresses(alice, [good, Uint8Array.of(0x36, 1, 0xff)])

    expect(await ask(alice.peerId, register('my-app', bytes))).toMatchObject({
      work: 0,
      message: { registerResponse: { status: Status.E_INVALID_SIGNED_PEER_RECORD, statusText: 'address 2 of the record cannot be read by everybody' } }
    })
  })

  it.each([
    ['libp2p-peer-record', '/memory/12345678', Status.OK],
    ['libp2p-routing-state', '/memory/12345678', Status.E_INVALID_SIGNED_PEER_RECORD],
    ['libp2p-routing-state', '/memory/1234567', Status.OK]
  ] as const)('is one that rust could not, in the form that rust reads: %s, %s', async (domain, address, status) => {
    const { ask } = handlerOf()
    const bytes = await envelopeOfAddresses(alice, [multiaddr(address).bytes], domain)

    expect((await ask(alice.peerId, register('my-app', bytes))).message?.registerResponse?.status).toBe(status)
  })
})

describe('an exception inside', () => {
  it('is E_INTERNAL_ERROR, without any detail', async () => {
    const { ask } = handlerOf({ store: storeWith({ list: () => ({ registrations: undefined, cursor: 1 }) as any, register: () => ({ registration: null, get limit () { throw new Error('secret') } }) as any }) })

    for (const request of [register('my-app', record), discover('my-app')]) {
      const { message, outcome } = await ask(alice.peerId, request)
      const answered = message?.registerResponse ?? message?.discoverResponse

      expect(answered).toMatchObject({ status: Status.E_INTERNAL_ERROR, statusText: 'internal error' })
      expect(outcome).toMatchObject({ cause: expect.any(Error) })
    }
  })
})

describe('refusing without looking', () => {
  it('answers each request with the response it has', () => {
    const refused = (request: Uint8Array): Message | undefined => {
      const { response } = refuse(decodeRequest(request), new Refusal(Status.E_UNAVAILABLE, 'rateLimit is reached'))

      return response == null ? undefined : Message.decode(response)
    }

    expect(refused(register('my-app', record))).toEqual({ type: 'REGISTER_RESPONSE', registerResponse: { status: Status.E_UNAVAILABLE, statusText: 'rateLimit is reached' } })
    expect(refused(discover('my-app'))).toEqual({ type: 'DISCOVER_RESPONSE', discoverResponse: { registrations: [], status: Status.E_UNAVAILABLE, statusText: 'rateLimit is reached' } })
    expect(refused(unregister('my-app'))).toBeUndefined()
  })
})

describe('a closed namespace', () => {
  it('is refused to who registers there, before anything else of the request is looked at', async () => {
    const { ask, store, closed } = handlerOf()
    closed.add('my-app')
    const { message, outcome, work } = await ask(alice.peerId, register('my-app', new Uint8Array(3), 1n))

    expect(message?.registerResponse).toMatchObject({ status: Status.E_NOT_AUTHORIZED, statusText: 'the operator of this point has closed this namespace' })
    expect(outcome).toMatchObject({ type: 'registration:rejected', namespace: 'my-app', status: Status.E_NOT_AUTHORIZED })
    expect(work).toBe(0)
    expect(store.size.registrations).toBe(0)
  })

  it('is closed to renewals, too, while others go on and it is listed', async () => {
    const { ask, closed } = handlerOf()
    await ask(alice.peerId, register('my-app', record))
    closed.add('my-app')

    expect((await ask(alice.peerId, register('my-app', record))).outcome.type).toBe('registration:rejected')
    expect((await ask(alice.peerId, register('another-app', record))).outcome.type).toBe('registration:added')
    expect((await ask(bob.peerId, discover('my-app'))).outcome).toMatchObject({ type: 'discover:served', registrations: 1 })
  })

  it('keeps nothing that a slow store has added while it was being closed', async () => {
    const memory = new MemoryStore()
    const adding = Promise.withResolvers<void>()
    const { ask, store, closed } = handlerOf({
      store: storeWith({
        register: async (...args) => {
          const result = memory.register(...args)
          await adding.promise

          return result
        }
      }, memory)
    })
    const answering = ask(alice.peerId, register('my-app', record))
    closed.add('my-app')
    adding.resolve()
    const { before, message, outcome } = await answering

    expect(message?.registerResponse?.status).toBe(Status.E_NOT_AUTHORIZED)
    expect(before?.map(({ type }) => type)).toEqual(['registration:added', 'registration:evicted'])
    expect(outcome.type).toBe('registration:rejected')
    expect(store.size.registrations).toBe(0)
  })
})
