import type { Expiring } from './expiry-queue.ts'
import type { Network, Share } from './fair-shares.ts'
import type { ReadableDomain, StoredRegistration } from './types.ts'

/** What a registration takes beside its records, in bytes: about what the benchmark finds. */
const REGISTRATION_BYTES = 640

/** A registration as the indexes link it, and its share of all; `StoredRegistration` is what others see of it. */
export class Entry implements StoredRegistration, Expiring, Share {
  readonly namespace: string
  readonly peer: string
  readonly signedPeerRecord: Uint8Array
  readonly domain: ReadableDomain
  readonly otherRecord: Uint8Array | undefined
  readonly network: Network
  readonly expires: number
  sequence: number
  readonly weight: number
  earlier: Expiring | undefined = undefined
  later: Expiring | undefined = undefined
  /** A refresh keeps it. A small number, unlike a sequence number, lies in the entry itself. */
  born: number
  parent: object | undefined = undefined
  place = 0
  /** Its share of its namespace. */
  member: Member | undefined = undefined

  constructor (namespace: string, { peer, signedPeerRecord, domain, otherRecord, network }: Omit<StoredRegistration, 'namespace' | 'expires' | 'sequence'>, expires: number, sequence: number, born: number) {
    this.namespace = namespace
    this.peer = peer
    this.signedPeerRecord = signedPeerRecord
    this.domain = domain
    this.otherRecord = otherRecord
    this.network = network
    this.expires = expires
    this.sequence = sequence
    this.weight = bytesOf(this)
    this.born = born
  }
}

/** A registration's share of its namespace, where all weigh the same. */
export class Member implements Share {
  readonly entry: Entry
  readonly network: Network
  readonly weight = 1
  born: number
  parent: object | undefined = undefined
  place = 0

  constructor (entry: Entry) {
    this.entry = entry
    this.network = entry.network
    this.born = entry.born
  }
}

/** What a registration counts against `maxBytes`. */
export function bytesOf ({ signedPeerRecord, otherRecord }: Pick<StoredRegistration, 'signedPeerRecord' | 'otherRecord'>): number {
  return REGISTRATION_BYTES + signedPeerRecord.byteLength + (otherRecord?.byteLength ?? 0)
}
