import type { NewRegistration, RecordDomain, StoredRegistration } from 'libp2p-rendezvous'

/**
 * How a registration is packed, big-endian: its sequence number and the moment it expires, which the script that stores
 * it puts in front; the form of its first record, and which forms there are; namespace, peer and network, each with its
 * length before it; the length of the first record, and the records.
 */
const NUMBERS = 16

/** By their numbers, which say what can be read as bits: a registration with records in both forms has both. */
const DOMAINS = ['none', 'libp2p-peer-record', 'libp2p-routing-state']

const BOTH = 3

/** The lists in which somebody finds what can be read: all, or those with one form. */
export function listsFor (reads: RecordDomain | undefined): string {
  return reads == null ? '0123' : `${DOMAINS.indexOf(reads)}${BOTH}`
}

/** All but the numbers in front. */
export function packRegistration ({ namespace, peer, network, domain, signedPeerRecord, otherRecord }: NewRegistration): Buffer {
  const form = DOMAINS.indexOf(domain)
  const recordLength = Buffer.alloc(4)
  recordLength.writeUInt32BE(signedPeerRecord.byteLength)

  return Buffer.concat([
    Buffer.of(form, otherRecord == null ? form : BOTH),
    // a zero ends a network where it is sorted
    ...[namespace, peer, network.replaceAll('\0', '\ufffd')].flatMap(packText),
    recordLength,
    signedPeerRecord,
    otherRecord ?? Buffer.of()
  ])
}

function packText (text: string): Buffer[] {
  const length = Buffer.alloc(2)
  const bytes = Buffer.from(text)
  length.writeUInt16BE(bytes.byteLength)

  return [length, bytes]
}

/**
 * @param ahead - milliseconds by which the clock of who asks is ahead of the one that the registration goes by
 */
export function unpackRegistration (packed: Buffer, ahead: number): StoredRegistration {
  let at = NUMBERS + 2

  const text = (): string => {
    const start = at + 2
    at = start + packed.readUInt16BE(at)

    return packed.toString('utf8', start, at)
  }

  const [namespace, peer, network] = [text(), text(), text()]
  const records = at + 4
  const other = records + packed.readUInt32BE(at)

  return {
    namespace,
    peer,
    network,
    domain: DOMAINS[packed.readUInt8(NUMBERS)] as StoredRegistration['domain'],
    signedPeerRecord: bytesOf(packed, records, other),
    otherRecord: packed.readUInt8(NUMBERS + 1) === BOTH ? bytesOf(packed, other, packed.byteLength) : undefined,
    expires: packed.readDoubleBE(8) + ahead,
    sequence: packed.readDoubleBE(0)
  }
}

function bytesOf (packed: Buffer, start: number, end: number): Uint8Array {
  return new Uint8Array(packed.buffer, packed.byteOffset + start, end - start)
}
