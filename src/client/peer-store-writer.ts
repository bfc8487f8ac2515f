import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { equals } from 'uint8arrays/equals'
import { DEFAULT_RECORD_DOMAIN } from '../protocol/peer-record.ts'
import { withoutPeerId } from './addresses.ts'
import { StoredPeers } from './stored-peers.ts'
import type { RendezvousClientComponents } from './types.ts'
import type { SignedPeerRecord } from '../protocol/peer-record.ts'
import type { Address, Logger, Peer } from '@libp2p/interface'

/**
 * A record is written again when it was last written this long ago, in milliseconds: the peer store
 * forgets addresses an hour after they were first written.
 */
const WRITE_AGAIN_AFTER = 10 * 60_000

export type PeerStoreWriterComponents = Pick<RendezvousClientComponents, 'peerStore' | 'events'> & {
  connectionManager: Pick<RendezvousClientComponents['connectionManager'], 'getConnections'>
}

/**
 * Writes verified records to the peer store, as certified addresses. A record that is found again and
 * again is written once in a while.
 *
 * `consumePeerRecord` is not used: it verifies what has been verified, and knows one form of records.
 * What it checks beside that, that the peer store has none that is newer, is checked here.
 */
export class PeerStoreWriter {
  readonly #components: PeerStoreWriterComponents
  readonly #stored: StoredPeers
  readonly #log: Logger
  readonly #written = new WeakMap<SignedPeerRecord, number>()
  /** What is being written, by peer: records of one peer are written one after the other. */
  readonly #writing = new Map<string, Promise<void>>()

  constructor (components: PeerStoreWriterComponents, log: Logger) {
    this.#components = components
    this.#stored = new StoredPeers(components)
    this.#log = log
  }

  /**
   * @returns undefined when it is not time to write it
   */
  write (record: SignedPeerRecord): Promise<void> | undefined {
    const written = this.#written.get(record)

    return written == null || Date.now() - written >= WRITE_AGAIN_AFTER ? this.#inTurn(record) : undefined
  }

  async #inTurn (record: SignedPeerRecord): Promise<void> {
    const id = record.peerId.toString()
    const before = this.#writing.get(id)
    const writing = before == null ? this.#write(record) : before.then(async () => this.#write(record))
    this.#writing.set(id, writing)
    await writing

    if (this.#writing.get(id) === writing) {
      this.#writing.delete(id)
    }
  }

  async #write (record: SignedPeerRecord): Promise<void> {
    try {
      const known = await this.#find(record)
      const sequence = known == null ? undefined : sequenceOf(known, record)

      if (sequence == null || sequence <= record.sequence) {
        await this.#patch(record, known, sequence === record.sequence)
      } else {
        this.#log('the peer store has a newer record of %p', record.peerId)
      }

      this.#written.set(record, Date.now())
    } catch (err) {
      this.#log.error('could not write the record of %p to the peer store - %e', record.peerId, err)
    }
  }

  async #find ({ peerId }: SignedPeerRecord): Promise<Peer | undefined> {
    const { peerStore, connectionManager } = this.#components

    // what identify writes at this moment is waited for, though nobody has heard of it yet
    if (!await this.#stored.has(peerId) && connectionManager.getConnections(peerId).length === 0) {
      return
    }

    try {
      return await peerStore.get(peerId)
    } catch (err: any) {
      if (err.name !== 'NotFoundError') {
        throw err
      }
    }
  }

  /**
   * In one step, so that a dial in the meantime finds addresses. An address grows old from when it was
   * first written, and is hidden then: what is hidden is taken out before it is written again.
   */
  async #patch (record: SignedPeerRecord, known: Peer | undefined, isSame: boolean): Promise<void> {
    const { peerId, domain, envelope } = record
    const multiaddrs = record.multiaddrs.map(withoutPeerId)
    const visible = known?.addresses ?? []
    const isListed = ({ multiaddr }: Address): boolean => multiaddrs.some(other => other.equals(multiaddr))

    if (known != null && visible.filter(isListed).length < multiaddrs.length) {
      await this.#components.peerStore.patch(peerId, { addresses: visible })
    }

    await this.#components.peerStore.patch(peerId, {
      addresses: [
        // what an older record has certified is so no longer
        ...visible.filter(address => !isListed(address) && (isSame || !address.isCertified)),
        ...multiaddrs.map(multiaddr => ({ multiaddr, isCertified: true }))
      ],
      // others ask libp2p for the envelope, and know this form alone
      ...(domain === DEFAULT_RECORD_DOMAIN ? { peerRecordEnvelope: envelope } : {})
    })
  }
}

/** The sequence number of the record that the peer store has. */
function sequenceOf ({ peerRecordEnvelope }: Peer, record: SignedPeerRecord): bigint | undefined {
  if (peerRecordEnvelope == null || equals(peerRecordEnvelope, record.envelope)) {
    return peerRecordEnvelope == null ? undefined : record.sequence
  }

  return PeerRecord.createFromProtobuf(RecordEnvelope.createFromProtobuf(peerRecordEnvelope).payload).seqNumber
}
