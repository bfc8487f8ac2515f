import { setTimeout as delay } from 'node:timers/promises'
import { startClient } from '../nodes.ts'
import { row } from '../row.ts'
import { countingProxy } from './counting-proxy.ts'
import type { Report } from '../part.ts'

const NAMESPACE = 'idle'
const HOUR = 60 * 60_000

/** How long it is looked at: yamux's keep-alive has its turn twice. Milliseconds. */
const WINDOW = 61_000

/** In an hour: a client that polls, and one that is told. */
const POLLS = 60
const POLLS_WHEN_TOLD = 1

/**
 * Bytes of an hour in which nothing happens. The polls are made in a row; what goes over a connection
 * by itself is looked at for a minute and stands for sixty.
 */
export async function measureIdle (point: string, { row: emit }: Report): Promise<void> {
  const proxies = await Promise.all(Array.from({ length: 3 }, async () => countingProxy(point)))
  const [bare, watching, polling] = await Promise.all([
    startClient([proxies[0]!.address]),
    startClient([proxies[1]!.address], { discover: [NAMESPACE] }),
    startClient([proxies[2]!.address])
  ])
  const bytesIn = async (index: number, action: () => Promise<unknown>): Promise<number> => {
    const before = proxies[index]!.bytes
    await action()

    return proxies[index]!.bytes - before
  }

  await bare.rendezvous.discoverPage(NAMESPACE, { point: proxies[0]!.address })
  // the first looks, identify and the like are over
  await delay(20_000)
  let { cookie } = await polling.rendezvous.discoverPage(NAMESPACE, { point: proxies[2]!.address })
  const polls = await bytesIn(2, async () => {
    for (let i = 0; i < POLLS; i++) {
      ({ cookie } = await polling.rendezvous.discoverPage(NAMESPACE, { point: proxies[2]!.address, ...(cookie == null ? {} : { cookie }) }))
    }

    // the last window update
    await delay(100)
  })
  const [ofConnection, ofWatching] = await Promise.all([
    bytesIn(0, async () => delay(WINDOW)),
    bytesIn(1, async () => delay(WINDOW))
  ])
  const factor = HOUR / WINDOW
  const told = Math.max(0, ofWatching - ofConnection) * factor + polls * POLLS_WHEN_TOLD / POLLS

  emit(row({ name: "an idle hour: libp2p's own keep-alive, with either", size: 1, unit: 'bytes', samples: [ofConnection * factor] }))
  emit(row({ name: 'an idle hour: polling', size: 1, unit: 'bytes', samples: [polls] }))
  emit(row({ name: 'an idle hour: watching', size: 1, unit: 'bytes', samples: [told], against: { name: '60 polls', samples: [polls], counts: 'cost' }, target: { ratio: 0.05 } }))

  await Promise.all([bare, watching, polling].map(async ({ node }) => node.stop()))
  proxies.forEach(proxy => { proxy.stop() })
}
