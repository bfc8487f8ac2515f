import { defaultLogger } from '@libp2p/logger'
import { TypedEventEmitter } from 'main-event'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { LivePeers } from '../../../src/point/watch/live-peers.ts'
import { makePeers } from '../../fixtures/peers.ts'
import type { Libp2pEvents, PeerId, TypedEventTarget } from '@libp2p/interface'

const GRACE = 1_000

beforeEach(() => { vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }) })
afterEach(() => { vi.useRealTimers() })

async function start (remove: () => Promise<void>): Promise<{ livePeers: LivePeers, events: TypedEventTarget<Libp2pEvents>, peerId: PeerId }> {
  const events = new TypedEventEmitter<Libp2pEvents>()
  const livePeers = new LivePeers({
    grace: GRACE,
    events,
    connectionManager: { getConnections: () => [] },
    remove,
    dismiss: () => {},
    log: defaultLogger().forComponent('test')
  })
  livePeers.start()

  return { livePeers, events, peerId: (await makePeers(1))[0]?.peerId as PeerId }
}

it('a peer whose registrations could not be ended is left alone once the point has stopped', async () => {
  const removal = Promise.withResolvers<void>()
  const { livePeers, events, peerId } = await start(async () => removal.promise)
  livePeers.say(peerId, true)
  events.safeDispatchEvent('peer:disconnect', { detail: peerId })
  await vi.advanceTimersByTimeAsync(GRACE)
  livePeers.stop()
  removal.reject(new Error('The store has stopped'))
  await vi.advanceTimersByTimeAsync(0)

  expect(vi.getTimerCount()).toBe(0)
  expect(livePeers.isLive(peerId.toString())).toBe(false)
})

it('a restart of the point begins no grace, whenever the connection ends', async () => {
  const remove = vi.fn(async () => {})
  const { livePeers, events, peerId } = await start(remove)
  livePeers.say(peerId, true)
  livePeers.stop()
  livePeers.start()
  events.safeDispatchEvent('peer:disconnect', { detail: peerId })
  await vi.advanceTimersByTimeAsync(2 * GRACE)
  expect(remove).not.toHaveBeenCalled()

  // what it says of itself afterwards counts as ever
  livePeers.say(peerId, true)
  events.safeDispatchEvent('peer:disconnect', { detail: peerId })
  await vi.advanceTimersByTimeAsync(GRACE)

  expect(remove).toHaveBeenCalledExactlyOnceWith(peerId.toString())
})
