import { openAndStoreRecord, openRecord } from '../floors.ts'
import { interleave, processorTime, scale, summarize } from '../measure.ts'
import { startClient } from '../nodes.ts'
import { real } from '../registrations.ts'
import { row } from '../row.ts'
import { discover } from './discover.ts'
import type { Points } from './points.ts'
import type { Client } from '../nodes.ts'
import type { Report } from '../part.ts'

const SECONDS = 12

/** The records that are opened for comparison, in turns. */
const RECORDS = 200

/** What the first listing costs a client that has seen none of the peers, in processor time of its thread. */
export async function measureColdListings ({ memory, listings }: Points, { progress, row: emit }: Report): Promise<void> {
  progress('peers that are new to the client')
  const records = await real(RECORDS, 'opened')
  const results: Array<{ peers: number, samples: number[], open: number[], store: number[] }> = []

  for (const peers of listings) {
    let client: Client | undefined
    const samples = await interleave({
      cold: {
        // a client that is connected, has its stream open, and knows nobody
        before: async () => {
          await client?.node.stop()
          client = await startClient([memory.address])
          await client.rendezvous.discoverPage('nobody', { point: memory.address })
        },
        run: async () => discover(client as Client, peers)
      },
      open: {
        operations: RECORDS,
        run: async () => {
          for (const { signedPeerRecord } of records) {
            await openRecord(signedPeerRecord)
          }
        }
      },
      store: {
        operations: RECORDS,
        // the client of this round does not know them either
        run: async () => {
          for (const { signedPeerRecord } of records) {
            await openAndStoreRecord(signedPeerRecord, (client as Client).node.peerStore)
          }
        }
      }
    }, { seconds: SECONDS / listings.length, minRounds: 5, maxRounds: 50, clock: processorTime })
    await client?.node.stop()
    results.push({ peers, samples: samples.cold, open: samples.open, store: samples.store })
  }

  for (const { peers, samples, open, store } of results) {
    emit(row({
      name: 'processor time: discover all, not seen before',
      size: peers,
      unit: 'ms',
      samples: scale(samples, 1 / 1_000),
      against: { name: `${peers.toLocaleString('en')} × open and certify`, samples: [summarize(open).median * peers / 1_000], counts: 'cost' }
    }))
    emit(row({
      name: 'the same, compared with keeping them',
      size: peers,
      unit: 'ms',
      samples: scale(samples, 1 / 1_000),
      against: { name: `${peers.toLocaleString('en')} × open, certify and write`, samples: [summarize(store).median * peers / 1_000], counts: 'cost' }
    }))
  }
}
