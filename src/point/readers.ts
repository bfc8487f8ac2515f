import type { MaybePromise } from '../protocol/maybe-promise.ts'
import type { RecordDomain } from '../protocol/peer-record.ts'
import type { ReadableDomain } from '../store/types.ts'
import type { Connection, IdentifyResult, Libp2pEvents, TypedEventTarget } from '@libp2p/interface'

/**
 * How those name themselves to identify that read the domain `libp2p-peer-record`, whatever they sign. An application
 * may choose another name; go-libp2p's is that of the application.
 */
const PEER_RECORD_READERS = /^(?:js|go|nim|py)-libp2p\b/

/** How those do that read `libp2p-routing-state` alone. */
const ROUTING_STATE_READERS = /^rust-libp2p\b/

/** The versions of their protocol that implementations of the others give by themselves. rust-libp2p leaves it to the application. */
const GIVEN_VERSIONS = ['', 'ipfs/0.1.0']

/**
 * What peers read of whom nothing tells it: those of rust-libp2p may have no identify, or a name of their own, and lose
 * the whole listing with one record of the other form. All others identify themselves, by name or with a record.
 */
const UNKNOWN: RecordDomain = 'libp2p-routing-state'

/** Milliseconds: who has had a connection for so long will not say any more who they are. */
const NEW = 5_000

interface Waiting {
  promise: Promise<RecordDomain>
  settle: (form: RecordDomain) => void
}

export interface ReadersInit {
  events: TypedEventTarget<Libp2pEvents>
  /** Milliseconds that a peer on a new connection is waited for; 0 not to wait. */
  patience: number
}

/**
 * Which form of signed peer records those read who do not say that they read both. On a connection that is new,
 * who it is may not be known yet, and is waited for once.
 */
export class Readers {
  readonly #patience: number
  readonly #forms = new WeakMap<Connection, RecordDomain>()
  /** Connections of which the form is known by what the peer signs, and not by its name. */
  readonly #signers = new WeakSet<Connection>()
  readonly #waiting = new Map<Connection, Waiting>()

  constructor ({ events, patience }: ReadersInit) {
    this.#patience = patience
    // also while the point does not run: a connection says it once, and may be there before the point and after it
    events.addEventListener('peer:identify', this.#onIdentify)
  }

  /** Nobody is waited for any more. */
  stop (): void {
    this.#waiting.forEach(({ settle }) => { settle(UNKNOWN) })
  }

  /** Takes note of the form of a record with which alone a peer has registered: its implementation reads what it signs. */
  signs (connection: Connection, domain: ReadableDomain): void {
    this.#signers.add(connection)
    // what not even its own implementation reads everywhere is of that form
    this.#learn(connection, domain === 'none' ? 'libp2p-routing-state' : domain)
  }

  /** There is a promise, which does not reject, while it is not known; all who ask for a connection share it. */
  formOf (connection: Connection): MaybePromise<RecordDomain> {
    return this.#forms.get(connection) ?? this.#waiting.get(connection)?.promise ?? this.#wait(connection)
  }

  #wait (connection: Connection): MaybePromise<RecordDomain> {
    if (this.#patience === 0 || connection.status !== 'open' || Date.now() - connection.timeline.open >= NEW) {
      return UNKNOWN
    }

    const { promise, resolve } = Promise.withResolvers<RecordDomain>()
    const settle = (form: RecordDomain): void => {
      clearTimeout(timer)
      this.#waiting.delete(connection)
      this.#forms.set(connection, form)
      resolve(form)
    }
    const timer = setTimeout(settle, this.#patience, UNKNOWN)
    this.#waiting.set(connection, { promise, settle })
    connection.addEventListener('close', () => { settle(UNKNOWN) }, { once: true })

    return promise
  }

  readonly #onIdentify = ({ detail }: CustomEvent<IdentifyResult>): void => {
    const { agentVersion, connection } = detail

    // what it pushes later need not say it again
    if (!this.#signers.has(connection) && (agentVersion != null || !this.#forms.has(connection))) {
      this.#learn(connection, formOfIdentified(detail))
    }
  }

  #learn (connection: Connection, form: RecordDomain): void {
    this.#forms.set(connection, form)
    this.#waiting.get(connection)?.settle(form)
  }
}

function formOfIdentified ({ agentVersion = '', protocolVersion = '', signedPeerRecord }: IdentifyResult): RecordDomain {
  if (ROUTING_STATE_READERS.test(agentVersion)) {
    return 'libp2p-routing-state'
  }

  // libp2p takes a record of the other domain for none
  const readsPeerRecord = signedPeerRecord != null || PEER_RECORD_READERS.test(agentVersion) || GIVEN_VERSIONS.includes(protocolVersion)

  return readsPeerRecord ? 'libp2p-peer-record' : UNKNOWN
}
