import { isSound, isSoundInRust } from '../protocol/address.ts'
import { Status } from '../protocol/errors.ts'
import { InvalidRecordError, PeerRecords } from '../protocol/peer-record.ts'
import { Refusal } from './checks.ts'
import { wait } from './steps.ts'
import { openingWork, verifyingWork } from './verification.ts'
import type { Request } from './codec.ts'
import type { Steps } from './steps.ts'
import type { Account } from './verification.ts'
import type { SignedPeerRecord, UncertifiedRecord } from '../protocol/peer-record.ts'
import type { NewRegistration } from '../store/types.ts'
import type { PeerId } from '@libp2p/interface'

/** Records that are remembered as verified, at the most twice as many: with the usual envelope, 16 MiB of them. */
const REMEMBERED_RECORDS = 4_096

/** The only kind of key that every rust-libp2p can read: it is built without the others unless it is told to. */
const KEY_OF_ALL = 'Ed25519'

/** What a registration keeps of the records that came with it. */
export type KeptRecords = Pick<NewRegistration, 'signedPeerRecord' | 'domain' | 'otherRecord'>

/** The record of a REGISTER, and the same in the other form where that was sent, too. */
export interface OpenedRecords {
  record: UncertifiedRecord
  other: UncertifiedRecord | undefined
}

/** The records that peers register with: opened, verified, and judged by who can read them. */
export class SentRecords {
  readonly #records = new PeerRecords(REMEMBERED_RECORDS)

  /**
   * Everything that can be checked without verifying a signature.
   *
   * @throws {Refusal | InvalidRecordError}
   */
  open ({ signedPeerRecord, otherRecord }: Pick<Extract<Request, { type: 'register' }>, 'signedPeerRecord' | 'otherRecord'>, peer: PeerId, account: Account): OpenedRecords {
    if (signedPeerRecord == null) {
      throw new Refusal(Status.E_INVALID_SIGNED_PEER_RECORD, 'a signed peer record is required')
    }

    const record = this.#open(signedPeerRecord, account)

    if (!record.peerId.equals(peer)) {
      throw new Refusal(Status.E_NOT_AUTHORIZED, 'a peer may register only itself')
    }

    if (otherRecord != null) {
      return { record, other: this.#openOther(otherRecord, record, account) }
    }

    if (record.domain === 'libp2p-routing-state') {
      // who signs this form reads no other, so nobody would gain by it
      checkAddresses(record, isSoundInRust)
    }

    return { record, other: undefined }
  }

  /**
   * Verifies the signatures.
   *
   * @throws {InvalidRecordError}
   */
  * certify ({ record, other }: OpenedRecords, account: Account): Steps<KeptRecords> {
    const certified = yield * certify(record, account)

    if (other == null) {
      return { signedPeerRecord: certified.envelope, domain: isReadable(certified) ? certified.domain : 'none' }
    }

    let otherCertified: SignedPeerRecord

    try {
      otherCertified = yield * certify(other, account)
    } catch (err) {
      throw ofOther(err)
    }

    // one that spoils the listings of its readers is not kept; the form that all of its readers can read is there
    const [kept, otherKept] = [certified, otherCertified].filter(isReadable) as [SignedPeerRecord, SignedPeerRecord?]

    return { signedPeerRecord: kept.envelope, domain: kept.domain, otherRecord: otherKept?.envelope }
  }

  #openOther (envelope: Uint8Array, record: UncertifiedRecord, account: Account): UncertifiedRecord {
    let other: UncertifiedRecord

    try {
      other = this.#open(envelope, account)
    } catch (err) {
      throw ofOther(err)
    }

    if (!other.peerId.equals(record.peerId)) {
      throw ofOther(new InvalidRecordError('the peer record is of another peer'))
    }

    if (other.domain === record.domain) {
      throw ofOther(new InvalidRecordError('the peer record is in the same form as the first'))
    }

    return other
  }

  #open (envelope: Uint8Array, account: Account): UncertifiedRecord {
    return this.#records.known(envelope) ?? this.#openNew(envelope, account)
  }

  #openNew (envelope: Uint8Array, account: Account): UncertifiedRecord {
    if (!account.hasRoom()) {
      throw new Refusal(Status.E_UNAVAILABLE, 'this point is sent more records than it can verify')
    }

    let record: UncertifiedRecord | undefined

    try {
      record = this.#records.open(envelope)
      checkAddresses(record, isSound)

      return record
    } finally {
      account.spend(openingWork(envelope, record?.key))
    }
  }
}

function * certify ({ key, certify }: UncertifiedRecord, account: Account): Steps<SignedPeerRecord> {
  if (key != null) {
    account.spend(verifyingWork(key))
  }

  return yield * wait(certify())
}

/** What all others can read, or a listing is lost for some of them. */
function checkAddresses ({ multiaddrs }: UncertifiedRecord, isReadable: typeof isSound): void {
  const unsound = multiaddrs.findIndex(address => !isReadable(address))

  if (unsound !== -1) {
    throw new InvalidRecordError(`address ${unsound + 1} of the record cannot be read by everybody`)
  }
}

/** Whether everybody can read it who reads only records of its form. */
function isReadable ({ domain, peerId, multiaddrs }: SignedPeerRecord): boolean {
  return domain === 'libp2p-peer-record' || (peerId.type === KEY_OF_ALL && multiaddrs.every(isSoundInRust))
}

function ofOther (reason: unknown): unknown {
  return reason instanceof InvalidRecordError ? new InvalidRecordError(`otherSignedPeerRecord: ${reason.message}`) : reason
}
