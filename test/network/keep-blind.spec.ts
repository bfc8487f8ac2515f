import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { blind, keepBlind } from '../../src/network/index.ts'
import type { DiscoveredPeer } from '../../src/index.ts'

const HOUR = 60 * 60_000
const DAY = 24 * HOUR
const NOON = Date.UTC(2026, 10, 24, 12)

/** A client that is registered at once, and finds who is told. */
class FakeClient {
  readonly registered = new Set<string>()
  readonly watched = new Set<string>()
  fails = false

  register = async (name: string): Promise<any> => {
    if (this.fails) {
      throw new Error('no point')
    }

    this.registered.add(name)
  }

  unregister = async (name: string): Promise<void> => { this.registered.delete(name) }

  async * watch (name: string, { signal }: any): AsyncGenerator<DiscoveredPeer> {
    this.watched.add(name)

    try {
      yield { namespace: name } as DiscoveredPeer
      await new Promise((resolve, reject) => { signal.addEventListener('abort', () => { reject(signal.reason) }) })
    } finally {
      this.watched.delete(name)
    }
  }
}

describe('a node that is kept in a blinded namespace', () => {
  const names = blind(new Uint8Array(32).fill(1))

  beforeEach(() => { vi.useFakeTimers({ now: NOON }) })
  afterEach(() => { vi.useRealTimers() })

  it('is at each moment of a month where another finds it whose clock is an hour off', async () => {
    const client = new FakeClient()
    const stop = keepBlind(client, names, 'my-app')

    for (let now = NOON; now < NOON + 30 * DAY; now += 30 * 60_000) {
      for (const skew of [-HOUR, 0, HOUR]) {
        const theirs = names('my-app', now + skew)
        expect(theirs.some(name => client.registered.has(name) && client.watched.has(name)), new Date(now).toISOString()).toBe(true)
      }

      expect(client.registered.size).toBeLessThanOrEqual(2)
      expect(client.watched).toEqual(client.registered)
      await vi.advanceTimersByTimeAsync(30 * 60_000)
    }

    stop()
    await vi.advanceTimersByTimeAsync(0)
    expect([client.registered.size, client.watched.size, vi.getTimerCount()]).toEqual([0, 0, 0])
  })

  it('tells of peers and of what does not work, and may look only', async () => {
    const client = new FakeClient()
    const found: string[] = []
    const errors: string[] = []
    client.fails = true
    const options = { onPeer: ({ namespace }: DiscoveredPeer) => { found.push(namespace) }, onError: (err: Error) => { errors.push(err.message) } }
    const stop = keepBlind(client, names, 'my-app', options)
    await vi.advanceTimersByTimeAsync(0)
    expect([found, errors]).toEqual([names('my-app'), ['no point']])
    stop()
    keepBlind(client, names, 'my-app', { ...options, register: false })()
    await vi.advanceTimersByTimeAsync(0)
    expect(errors).toEqual(['no point'])
  })
})
