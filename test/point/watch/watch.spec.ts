import { defaultLogger } from '@libp2p/logger'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { Pace } from '../../../src/point/pace.ts'
import { pointSettings } from '../../../src/point/settings.ts'
import { Unsent } from '../../../src/point/unsent.ts'
import { Watch } from '../../../src/point/watch/watch.ts'
import { WatchRequest } from '../../../src/protocol/watch.ts'
import { MemoryStore } from '../../../src/store/memory.ts'
import { FakeStream } from '../../fixtures/fake-stream.ts'
import { makePeers } from '../../fixtures/peers.ts'
import type { WatchInit } from '../../../src/point/watch/watch.ts'
import type { Connection, PeerId } from '@libp2p/interface'

let peer: PeerId

beforeAll(async () => {
  const [made] = await makePeers(1)
  peer = (made as { peerId: PeerId }).peerId
})

beforeEach(() => { vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] }) })
afterEach(() => { vi.useRealTimers() })

function watchOf (store: MemoryStore, init: Partial<WatchInit> = {}): Watch {
  return new Watch({
    store,
    settings: pointSettings({}),
    authorize: undefined,
    now: Date.now,
    pace: new Pace(),
    log: defaultLogger().forComponent('test'),
    metrics: { wokenUp: () => {}, updated: () => {} },
    livePeers: undefined,
    * excess () { return undefined },
    ...init
  })
}

class Client {
  readonly stream = new FakeStream()
  readonly connection = { remotePeer: peer, remoteAddr: multiaddr('/ip4/192.0.2.1/tcp/1'), status: 'open' }
  /** What the stream was served with, when that is over. */
  ended: unknown

  constructor (watch: Watch, unsent: Unsent = new Unsent()) {
    const outbox = unsent.outbox(this.connection, '192.0/2/1', () => { this.stream.abort() })
    watch.serve(this.stream.asStream, this.connection as unknown as Connection, outbox)
      .then(() => { this.ended = 'well' }, err => { this.ended = err })
  }

  ask (request: WatchRequest): void {
    this.stream.receive(WatchRequest.encode(request))
  }
}

describe('a stream on which nothing is read', () => {
  it('is lost when more events than a client can have use for wait on it', async () => {
    const client = new Client(watchOf(new MemoryStore()))
    client.stream.stall()

    for (let id = 0; id < 1_000; id++) {
      client.ask({ subscribe: { id } })
    }

    await vi.advanceTimersByTimeAsync(0)
    expect(client.ended).toBeUndefined()
    client.ask({ subscribe: { id: 1_000 } })
    client.ask({ subscribe: { id: 1_001 } })
    await vi.advanceTimersByTimeAsync(0)
    expect(client.ended).toMatchObject({ reason: 'slow' })
  })
})
