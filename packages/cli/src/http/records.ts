import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { base64url } from 'multiformats/bases/base64'
import type { StoredRegistration } from 'libp2p-rendezvous'

/** Characters of what is remembered, at the most twice: what is listed often is not read anew each time. */
const REMEMBERED = 8 * 1024 * 1024

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
  readonly #size: number
  /** What was read lately, and what was before that; the latter goes when the former is full. */
  #lately = new Map<Uint8Array, RecordText>()
  #before = new Map<Uint8Array, RecordText>()
  #weight = 0

  constructor (size = REMEMBERED) {
    this.#size = size
  }

  of (registration: StoredRegistration): RecordText {
    const envelope = mostRead(registration)
    const known = this.#lately.get(envelope)

    if (known != null) {
      return known
    }

    const text = this.#before.get(envelope) ?? read(envelope)

    if (this.#weight >= this.#size) {
      this.#before = this.#lately
      this.#lately = new Map()
      this.#weight = 0
    }

    this.#lately.set(envelope, text)
    this.#weight += text.envelope.length + 4 * text.addressesJson.length

    return text
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
