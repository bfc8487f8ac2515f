import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { base64url } from 'multiformats/bases/base64'
import { Remembered } from './remembered.ts'
import type { StoredRegistration } from 'libp2p-rendezvous'

/** What a record says, as it is written in JSON. */
export interface RecordText {
  /** Multiaddrs. */
  addresses: string[]
  /** The same, as JSON. */
  addressesJson: string
  /** The names of the protocols in each of them. */
  protocols: string[][]
  /** The envelope in multibase base64url, for whoever does not want to believe this point. */
  envelope: string
}

/** Reads the records of registrations, which the point has verified, and remembers what they say. */
export class RecordTexts {
  readonly #texts = new Remembered(read, ({ envelope, addressesJson }: RecordText) => envelope.length + 4 * addressesJson.length)

  of (registration: StoredRegistration): RecordText {
    return this.#texts.of(mostRead(registration))
  }
}

/** Of a record in both forms the one that most can read. */
function mostRead ({ domain, signedPeerRecord, otherRecord }: StoredRegistration): Uint8Array {
  return domain === 'libp2p-peer-record' ? signedPeerRecord : otherRecord ?? signedPeerRecord
}

function read (envelope: Uint8Array): RecordText {
  const { multiaddrs } = PeerRecord.createFromProtobuf(RecordEnvelope.createFromProtobuf(envelope).payload)
  const addresses = multiaddrs.map(String)

  return {
    addresses,
    addressesJson: JSON.stringify(addresses),
    protocols: multiaddrs.map(address => address.getComponents().map(({ name }) => name)),
    envelope: base64url.encode(envelope)
  }
}
