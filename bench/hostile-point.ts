import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { memoryStore, rendezvousPoint } from 'libp2p-rendezvous'
import { NO_LIMITS, real } from './registrations.ts'

/** A point as it comes, but for what it holds: it sends its address, and then for each message the processor time that it has used. */

const store = memoryStore()

for (const size of [10, 1_000]) {
  for (const registration of await real(size, `of-${size}`)) {
    await store.register(registration, NO_LIMITS, Date.now())
  }
}

const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify(), point: rendezvousPoint({ store }) }
})

process.on('disconnect', () => { process.exit() })
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.(user + system)
})
process.send?.(String(node.getMultiaddrs()[0]))
