import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { memoryStore } from 'libp2p-rendezvous'
import { Uint8ArrayList } from 'uint8arraylist'
import { decodeRequest } from '../../dist/point/codec.js'
import { RequestHandler } from '../../dist/point/handler.js'
import { encodeListing } from '../../dist/point/listing.js'
import { pointSettings } from '../../dist/point/settings.js'
import { Message } from '../../dist/protocol/message.js'
import { sealPeerRecord } from '../../dist/protocol/peer-record.js'
import { openRecord } from '../floors.ts'
import { interleave } from '../measure.ts'
import { madeUp, NO_LIMITS, real } from '../registrations.ts'
import { row } from '../row.ts'
import type { Subject } from '../measure.ts'
import type { Report } from '../part.ts'
import type { Against } from '../row.ts'
import type { Connection } from '@libp2p/interface'
import type { Page } from 'libp2p-rendezvous'

const PAGES = [1, 100, 1_000]

/** Registrations that a reader of the other form has in its way. */
const OTHER_FORM = 5_000

/** Requests in one sample. */
const OPERATIONS = 20

export async function part ({ progress, row: emit }: Report): Promise<void> {
  progress('making peers')
  const store = memoryStore()
  const handler = new RequestHandler(store, pointSettings({ maxRegistrationsPerPeer: 1_000_000 }))
  const connection = { remoteAddr: multiaddr('/ip4/192.0.2.1/tcp/4001') } as unknown as Connection
  const context = { origin: connection, connection, signal: new AbortController().signal }

  // moves on by a second for each batch of records: how many a point verifies is bounded by the second
  let now = Date.now()

  // as large as they are accepted, and in a form that a reader of the other is not to be listed
  for (let i = 0; i < OTHER_FORM; i++) {
    await store.register({ ...madeUp(i, 'of-other-form'), signedPeerRecord: new Uint8Array(4_096) }, NO_LIMITS, now)
  }

  for (const size of PAGES) {
    for (const registration of await real(size, `of-${size}`)) {
      await store.register(registration, NO_LIMITS, now)
    }
  }

  const privateKey = await generateKeyPair('Ed25519')
  const peerId = peerIdFromPrivateKey(privateKey)
  let sequence = 0n

  const register = async (): Promise<Uint8Array> => Message.encode({
    type: Message.MessageType.REGISTER,
    register: {
      ns: 'registered',
      signedPeerRecord: await sealPeerRecord({ peerId, multiaddrs: [multiaddr('/ip4/192.0.2.1/tcp/4001')], sequence: ++sequence }, privateKey) as Uint8Array<ArrayBuffer>,
      ttl: 7_200n
    }
  })
  // as the point reads it from a stream
  const answer = async (request: Uint8Array): Promise<Uint8Array> => {
    const { response } = await handler.handle(peerId, decodeRequest(new Uint8ArrayList(request)), now, context)

    if (response == null) {
      throw new Error('There is no answer')
    }

    return response
  }

  const one = decodeRequest(Message.encode({ type: Message.MessageType.DISCOVER, discover: { ns: 'of-other-form', limit: 1n } }))
  const asRust = async (): Promise<unknown> => handler.handle(peerId, one, now, { ...context, reads: () => 'libp2p-routing-state' })
  const unchanged = await register()
  let fresh: Uint8Array[] = []
  const prepare = async (): Promise<void> => {
    now += 1_000
    fresh = await Promise.all(Array.from({ length: OPERATIONS }, register))
  }
  let envelopes: Uint8Array[] = []
  const discover = (size: number): Uint8Array => Message.encode({
    type: Message.MessageType.DISCOVER,
    discover: { ns: `of-${size}`, limit: BigInt(size) }
  })
  const [page1, page100, page1000] = PAGES.map(discover) as [Uint8Array, Uint8Array, Uint8Array]
  const listing = Message.decode(await answer(page100))

  if (listing.discoverResponse?.registrations.length !== 100) {
    throw new Error('The page is not full')
  }

  const page = await store.list({ namespace: 'of-100', limit: 100 }, now) as Page

  progress('answering')
  const samples = await interleave({
    page1: times(OPERATIONS, async () => answer(page1)),
    otherForm: times(OPERATIONS, asRust),
    page100: times(OPERATIONS, async () => answer(page100)),
    page1000: times(2, async () => answer(page1000)),
    encode: times(OPERATIONS, async () => encodeListing(page, 'of-100', now)),
    generated: times(OPERATIONS, async () => Message.encode(listing)),
    refresh: times(OPERATIONS, async () => answer(unchanged)),
    register: { ...times(OPERATIONS, async i => answer(fresh[i] as Uint8Array)), before: prepare },
    open: {
      ...times(OPERATIONS, async i => openRecord(envelopes[i] as Uint8Array)),
      before: async () => {
        await prepare()
        envelopes = fresh.map(request => Message.decode(request).register?.signedPeerRecord as Uint8Array)
      }
    }
  }, { seconds: 12, warmUp: 20, minRounds: 20, maxRounds: 300 })

  const about = { unit: 'µs' } as const
  const generated: Against = { name: 'the generated encoder', samples: samples.generated, counts: 'cost' }
  const open: Against = { name: 'open and certify', samples: samples.open, counts: 'cost' }
  emit(row({ name: 'handler: DISCOVER', size: 1, ...about, samples: samples.page1 }))
  emit(row({ name: 'handler: DISCOVER, limit 1, as a reader of the form that none has', size: OTHER_FORM, ...about, samples: samples.otherForm, target: { atMost: 20 } }))
  emit(row({ name: 'handler: DISCOVER', size: 100, ...about, samples: samples.page100, target: { atMost: 40 } }))
  emit(row({ name: 'handler: encoding of the page alone', size: 100, ...about, samples: samples.encode, against: generated }))
  emit(row({ name: 'handler: DISCOVER', size: 1_000, ...about, samples: samples.page1000 }))
  emit(row({ name: 'handler: REGISTER, record verified before', size: 1, ...about, samples: samples.refresh }))
  emit(row({ name: 'handler: REGISTER, new record', size: 1, ...about, samples: samples.register, against: open }))
}

/** Operations one after the other, as the requests on a stream are. */
function times (operations: number, operation: (index: number) => Promise<unknown>): Subject {
  return {
    operations,
    run: async () => {
      for (let index = 0; index < operations; index++) {
        await operation(index)
      }
    }
  }
}
