import { defaultLogger } from '@libp2p/logger'
import { TypedEventEmitter } from 'main-event'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { LivePeers } from '../../../src/point/watch/live-peers.ts'
import { makePeers } from '../../fixtures/peers.ts'
import type { Libp2pEvents, PeerId } from '@libp2p/interface'

beforeEach(() => { vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }) })
afterEach(() => { vi.useRealTimers() })

it('a peer whose registrations could not be ended is left alone once the point has stopped', async () => {
  const peerId = (await makePeers(1))[0]?.peerId as PeerId
  const events = new TypedEventEmitter<Libp2pEvents>()
  const removal = Promise.withResolvers<void>()
  const livePeers = new LivePeers({
    grace: 1_000,
    events,
    connectionManager: { getConnections: () => [] },
    remove: async () => removal.promise,
    log: defaultLogger().forComponent('test')
  })
  livePeers.start()
  livePeers.say(peerId, true)
  events.safeDispatchEvent('peer:disconnect', { detail: peerId })
  await vi.advanceTimersByTimeAsync(1_000)
  livePeers.stop()
  removal.reject(new Error('The store has stopped'))
  await vi.advanceTimersByTimeAsync(0)

  expect(vi.getTimerCount()).toBe(0)
  expect(livePeers.isLive(peerId.toString())).toBe(false)
})
