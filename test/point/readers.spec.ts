import { TypedEventEmitter } from 'main-event'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Readers } from '../../src/point/readers.ts'
import type { Connection, Libp2pEvents } from '@libp2p/interface'

const PLAIN = 'libp2p-peer-record'
const RUST = 'libp2p-routing-state'

beforeEach(() => { vi.useFakeTimers({ now: 1_000_000 }) })
afterEach(() => { vi.useRealTimers() })

function readersOf (patience = 1_000): { readers: Readers, connect: () => Connection, identify: (connection: Connection, agentVersion?: string, more?: object) => void, close: (connection: Connection) => void } {
  const events = new TypedEventEmitter<Libp2pEvents>()
  const readers = new Readers({ events, patience })

  return {
    readers,
    connect: () => Object.assign(new EventTarget(), { status: 'open', timeline: { open: Date.now() } }) as unknown as Connection,
    identify: (connection, agentVersion, more = {}) => {
      events.safeDispatchEvent('peer:identify', { detail: { connection, agentVersion, protocolVersion: '/my-app/1', ...more } as any })
    },
    close: connection => { connection.dispatchEvent(new Event('close')) }
  }
}

describe('who has identified itself', () => {
  it.each([
    ['rust-libp2p/0.57.1', {}, RUST],
    ['rust-libp2p/0.57.1', { signedPeerRecord: {}, protocolVersion: 'ipfs/0.1.0' }, RUST],
    ['go-libp2p/0.41.0', {}, PLAIN],
    ['js-libp2p/3.3.0 node/24', {}, PLAIN],
    ['nim-libp2p/0.0.1', {}, PLAIN],
    ['my-js-libp2p/1', {}, RUST],
    ['github.com/example/my-app', { signedPeerRecord: {} }, PLAIN],
    ['github.com/example/my-app', { protocolVersion: '' }, PLAIN],
    ['my-app/1', { protocolVersion: undefined }, PLAIN],
    ['my-app/1', { protocolVersion: 'ipfs/0.1.0' }, PLAIN],
    ['my-app/1', {}, RUST],
    [undefined, {}, RUST]
  ])('reads what its implementation does: %s, %j', (agent, more, form) => {
    const { readers, connect, identify } = readersOf()
    const connection = connect()
    identify(connection, agent, more)

    expect(readers.formOf(connection)).toBe(form)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('need not say it again when it says something else', () => {
    const { readers, connect, identify } = readersOf()
    const connection = connect()
    identify(connection, 'rust-libp2p/0.57.1')
    identify(connection)

    expect(readers.formOf(connection)).toBe(RUST)
  })
})

describe('who has registered with a record in one form', () => {
  it.each([
    ['libp2p-routing-state', RUST],
    ['none', RUST],
    ['libp2p-peer-record', PLAIN]
  ] as const)('reads that form, whatever it calls itself: %s', (domain, form) => {
    const { readers, connect, identify } = readersOf()
    const connection = connect()
    identify(connection, form === RUST ? 'my-app/1.0' : 'rust-libp2p/0.57.1')
    readers.signs(connection, domain)
    expect(readers.formOf(connection)).toBe(form)
    identify(connection, 'another/1.0')

    expect(readers.formOf(connection)).toBe(form)
  })

  it('is not waited for any more', async () => {
    const { readers, connect } = readersOf()
    const connection = connect()
    const form = readers.formOf(connection)
    readers.signs(connection, PLAIN)

    expect(await form).toBe(PLAIN)
  })
})

describe('who has not yet', () => {
  it('is waited for, once for all that it has asked', async () => {
    const { readers, connect, identify } = readersOf()
    const connection = connect()
    const form = readers.formOf(connection)
    expect(form).toBeInstanceOf(Promise)
    expect(readers.formOf(connection)).toBe(form)
    expect(vi.getTimerCount()).toBe(1)
    await vi.advanceTimersByTimeAsync(999)
    identify(connection, 'go-libp2p/0.41.0')

    expect(await form).toBe(PLAIN)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('is taken for one of rust-libp2p by the end of that time, and until it says otherwise', async () => {
    const { readers, connect, identify } = readersOf()
    const connection = connect()
    const form = readers.formOf(connection)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await form).toBe(RUST)
    expect(readers.formOf(connection)).toBe(RUST)
    identify(connection, 'go-libp2p/0.41.0')

    expect(readers.formOf(connection)).toBe(PLAIN)
  })

  it('is not waited for on a connection that is five seconds old, or closed, or where nobody is', () => {
    const { readers, connect } = readersOf()
    const connection = connect()
    vi.advanceTimersByTime(4_999)
    const other = Object.assign(connect(), { timeline: connection.timeline })
    expect(readers.formOf(other)).toBeInstanceOf(Promise)
    vi.advanceTimersByTime(1)
    expect(readers.formOf(connection)).toBe(RUST)
    expect(readers.formOf(Object.assign(connect(), { status: 'closed' as const }))).toBe(RUST)
    expect(readersOf(0).readers.formOf(connect())).toBe(RUST)
  })

  it('is not waited for any more when it has gone, or the point stops', async () => {
    const { readers, connect, close } = readersOf()
    const [gone, here] = [connect(), connect()] as [Connection, Connection]
    const forms = [readers.formOf(gone), readers.formOf(here)]
    close(gone)
    expect(await forms[0]).toBe(RUST)
    expect(vi.getTimerCount()).toBe(1)
    readers.stop()

    expect(await forms[1]).toBe(RUST)
    expect(vi.getTimerCount()).toBe(0)
  })
})
