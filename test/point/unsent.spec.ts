import { describe, expect, it } from 'vitest'
import { isHolding, Unsent, writeCounted } from '../../src/point/unsent.ts'
import { FakeStream } from '../fixtures/fake-stream.ts'
import type { Outbox } from '../../src/point/unsent.ts'

const NETWORK = '198.51/100/7'

/** Outboxes of connections, and which of them have been dropped. */
function outboxes (unsent: Unsent): { of: (name: string, network?: string, connection?: object) => Outbox, dropped: string[] } {
  const dropped: string[] = []

  return {
    dropped,
    of: (name, network = NETWORK, connection = {}) => unsent.outbox(connection, network, () => { dropped.push(name) })
  }
}

describe('what waits to be read', () => {
  it('is counted until it is given back, once', () => {
    const unsent = new Unsent()
    const outbox = outboxes(unsent).of('a')
    const [first, second] = [outbox.take(100), outbox.take(20)]

    expect(unsent.bytes).toBe(120)
    first()
    first()
    expect(unsent.bytes).toBe(20)
    second()
    expect(unsent.bytes).toBe(0)
  })

  it('is at most 24 MiB at a point', () => {
    const unsent = new Unsent()
    const { of, dropped } = outboxes(unsent)

    for (let i = 0; i < 24; i++) {
      of(`${i}`).take(1024 * 1024)
    }

    expect(dropped).toEqual([])
    of('one more').take(1)
    expect(dropped).toHaveLength(1)
    expect(unsent.bytes).toBeLessThanOrEqual(24 * 1024 * 1024)
  })

  it('makes room where the network that has most of it is, the youngest first', () => {
    const unsent = new Unsent(100)
    const { of, dropped } = outboxes(unsent)
    of('honest', '203.0/113/1').take(40)
    of('first', '198.51/100/7').take(30)
    of('second', '198.51/100/8').take(30)
    of('another', '192.0/2/1').take(30)

    expect(dropped).toEqual(['second'])
    expect(unsent.bytes).toBe(100)
  })

  it('is given up at once by who brings it, if that has most', () => {
    const unsent = new Unsent(100)
    const { of, dropped } = outboxes(unsent)
    of('honest', '203.0/113/1').take(40)
    const give = of('greedy').take(80)

    expect(dropped).toEqual(['greedy'])
    give()
    expect(unsent.bytes).toBe(40)
  })
})

describe('a connection with much to read', () => {
  it('has room for another message below 1 MiB', () => {
    const outbox = outboxes(new Unsent()).of('a')

    expect(outbox.room()).toBeUndefined()
    outbox.settle()
    outbox.take(1024 * 1024 - 1)
    expect(outbox.room()).toBeUndefined()
    outbox.settle()
    outbox.take(1)
    expect(outbox.room()).toBeInstanceOf(Promise)
  })

  it('waits, with all its streams, until there is room', async () => {
    const { of } = outboxes(new Unsent())
    const connection = {}
    const [one, other, elsewhere] = [of('a', NETWORK, connection), of('b', NETWORK, connection), of('c')]
    const give = [one.take(1024 * 1024), one.take(1024 * 1024)]
    let hasRoom = false
    const waiting = (other.room() as Promise<void>).then(() => { hasRoom = true })

    expect(elsewhere.room()).toBeUndefined()
    give[0]!()
    await new Promise(setImmediate)
    expect(hasRoom).toBe(false)
    give[1]!()
    await waiting
    expect(other.room()).toBeUndefined()
  })

  it('keeps room for one message at a time, while that is made', async () => {
    const { of } = outboxes(new Unsent())
    const connection = {}
    const [one, other] = [of('a', NETWORK, connection), of('b', NETWORK, connection)]

    expect(one.room()).toBeUndefined()
    expect(one.room()).toBeUndefined()
    const waiting = other.room()
    expect(waiting).toBeInstanceOf(Promise)
    one.settle()
    one.settle()
    await waiting
    expect(one.room()).toBeInstanceOf(Promise)
  })

  it('has room again when what waited was given up', async () => {
    const { of, dropped } = outboxes(new Unsent(100, 50))
    const connection = {}
    const outbox = of('a', NETWORK, connection)
    outbox.take(60)
    const waiting = outbox.room()
    of('b', '203.0/113/1').take(50)
    await waiting

    expect(dropped).toEqual(['a'])
  })

  it('keeps no room for a stream that ended while it waited for it', async () => {
    const { of } = outboxes(new Unsent(Infinity, 1))
    const connection = {}
    const [first, ended, third] = [of('first', NETWORK, connection), of('ended', NETWORK, connection), of('third', NETWORK, connection)]
    expect(first.room()).toBeUndefined()
    const waiting = ended.room()
    expect(waiting).toBeInstanceOf(Promise)
    ended.settle()
    first.settle()
    await waiting
    expect(third.room()).toBeUndefined()
  })
})

describe('what has left its stream, and is held by the connection', () => {
  const MESSAGE = new Uint8Array(100)
  const turn = async (): Promise<unknown> => new Promise(setImmediate)

  function held (): { unsent: Unsent, below: FakeStream, stream: FakeStream, connection: object, written: Promise<void> } {
    const unsent = new Unsent()
    const [below, stream] = [new FakeStream(), new FakeStream()]
    below.stall()
    below.send(MESSAGE)
    stream.stall()
    const connection = { maConn: below }
    const written = writeCounted(stream.asStream, MESSAGE, outboxes(unsent).of('a', NETWORK, connection)) as Promise<void>

    return { unsent, below, stream, connection, written }
  }

  it('is not sent before that has sent it', async () => {
    const { unsent, below, stream, connection, written } = held()
    let isSent = false
    written.then(() => { isSent = true }, () => {})
    stream.flow()
    await turn()
    expect(isSent).toBe(false)
    expect(isHolding(connection)).toBe(true)
    expect(unsent.bytes).toBe(100)
    below.flow()
    await written
    await turn()
    expect(isHolding(connection)).toBe(false)
    expect(unsent.bytes).toBe(0)
  })

  it('counts on when the stream has ended', async () => {
    const { unsent, below, stream, written } = held()
    stream.abort(new Error('ended'))
    await expect(written).rejects.toThrow('ended')
    await turn()
    expect(unsent.bytes).toBe(100)
    below.flow()
    await turn()
    expect(unsent.bytes).toBe(0)
  })

  it('is gone with the connection', async () => {
    const { unsent, below, stream, written } = held()
    stream.abort(new Error('ended'))
    await expect(written).rejects.toThrow('ended')
    below.abort(new Error('closed'))
    await turn()
    expect(unsent.bytes).toBe(0)
  })
})
