import { InvalidParametersError, serviceCapabilities } from '@libp2p/interface'
import * as lp from 'it-length-prefixed'
import { setMaxListeners, TypedEventEmitter } from 'main-event'
import { raceSignal } from 'race-signal'
import { readMessages } from '../client/read-messages.ts'
import { Tokens } from '../client/tokens.ts'
import { Membership as Message } from '../protocol/membership.ts'
import { endConnection } from '../protocol/patches/end-connection.ts'
import { printable } from '../protocol/printable.ts'
import { InvalidTokenError } from './errors.ts'
import { NonMembers } from './non-members.ts'
import { TokenVerifier } from './verifier.ts'
import type { Membership, Trust } from './types.ts'
import type { TokenSource } from '../client/types.ts'
import type { AbortOptions, ComponentLogger, Connection, ConnectionGater, Libp2pEvents, Logger, PeerId, Startable, Stream, TypedEventTarget } from '@libp2p/interface'
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal'

/** The protocol by which members know each other (docs/networks.md). */
const PROTOCOL = '/rendezvous/membership/1.0.0'

/** Bytes of a message: a token, or a sentence. */
const MAX_MESSAGE_SIZE = 4_096

const PATIENCE = 10_000
const MEMORY = 60_000

/** How often it is looked who is a member no longer, in milliseconds. Less than clocks may differ by. */
const SWEEP_INTERVAL = 30_000

/** How long a peer may take to read why its connection is ended, in milliseconds. */
const FAREWELL = 1_000

/** The longest time that a timer can be set to. */
const MAX_TIMEOUT = 2 ** 31 - 1

export interface MembershipInit extends Trust {
  /** What this node shows: a token, or what gets one, which is asked again before it ends. */
  token: TokenSource
  /**
   * Connections that need no token: to rendezvous points, for example, and to relays.
   *
   * @default none
   */
  except?: (connection: Connection) => boolean
  /**
   * Milliseconds within which a peer has to have shown its token.
   *
   * @default 10_000
   */
  patience?: number
  /**
   * Milliseconds for which a peer that is no member is not dialled, nor let in again.
   *
   * @default 60_000
   */
  memory?: number
  /**
   * The protocol to speak.
   *
   * @default '/rendezvous/membership/1.0.0'
   */
  protocol?: string
}

export interface MembershipComponents {
  connectionManager: ConnectionManager
  connectionGater: ConnectionGater
  registrar: Registrar
  events: TypedEventTarget<Libp2pEvents>
  logger: ComponentLogger
}

export interface MemberDetail {
  peer: PeerId
  /** When its token ends, in milliseconds since the epoch. */
  expires: number
}

export interface NonMemberDetail {
  peer: PeerId
  /** One sentence, which has nothing of a token. */
  reason: string
}

export interface MembershipEvents {
  /** A peer has shown that it is a member, for the first time since it is connected. */
  member: CustomEvent<MemberDetail>
  /** A peer is no member, or not any more, and its connections are ended. */
  'non-member': CustomEvent<NonMemberDetail>
}

/** Who of the connected peers is a member. */
export interface Members extends TypedEventTarget<MembershipEvents> {
  /** Whether a peer that is connected has shown that it is a member. */
  isMember (peer: PeerId): boolean
  /**
   * Resolves once a peer has shown that it is a member: what its stream brings before that is a stranger's.
   *
   * @throws {InvalidTokenError} when it is none, or has shown nothing within `patience`
   * @throws {AbortError}
   */
  confirm (peer: PeerId, options?: AbortOptions): Promise<void>
}

/** A peer that has shown its token. */
interface Member {
  peer: PeerId
  membership: Membership
}

/**
 * Has each peer that connects show a token of the network, and shows this node's: the one who dialled begins.
 */
export class MembershipService extends TypedEventEmitter<MembershipEvents> implements Members, Startable {
  readonly #components: MembershipComponents
  readonly #verifier: TokenVerifier
  readonly #tokens: Tokens
  readonly #except: (connection: Connection) => boolean
  readonly #patience: number
  readonly #protocol: string
  readonly #log: Logger
  readonly #nonMembers: NonMembers
  readonly #members = new Map<string, Member>()
  /** Who has to show a token yet, and until when. */
  readonly #waiting = new Map<Connection, ReturnType<typeof setTimeout>>()
  #stopping = new AbortController()
  #sweeping: ReturnType<typeof setInterval> | undefined

  constructor (components: MembershipComponents, { token, except = () => false, patience = PATIENCE, memory = MEMORY, protocol = PROTOCOL, ...trust }: MembershipInit) {
    super()

    for (const [name, ms] of Object.entries({ patience, memory })) {
      if (!(ms > 0 && ms <= MAX_TIMEOUT)) {
        throw new InvalidParametersError(`${name} must be a number of milliseconds above 0 and up to ${MAX_TIMEOUT}, not ${ms}`)
      }
    }

    this.#components = components
    this.#verifier = new TokenVerifier(trust)
    this.#tokens = new Tokens(token, patience)
    this.#except = except
    this.#patience = patience
    this.#protocol = protocol
    this.#log = components.logger.forComponent('libp2p:rendezvous:membership')
    this.#nonMembers = new NonMembers(components.connectionGater, memory)
  }

  readonly [Symbol.toStringTag] = 'libp2p-rendezvous/membership'

  readonly [serviceCapabilities]: string[] = ['libp2p-rendezvous/membership']

  async start (): Promise<void> {
    const { registrar, events, connectionManager } = this.#components
    this.#stopping = new AbortController()
    setMaxListeners(Infinity, this.#stopping.signal)
    this.#nonMembers.start()
    await registrar.handle(this.#protocol, this.#onStream, { runOnLimitedConnection: true, maxInboundStreams: 2 })
    events.addEventListener('connection:open', this.#onOpen)
    events.addEventListener('connection:close', this.#onClose)
    events.addEventListener('peer:disconnect', this.#onDisconnect)
    this.#sweeping = setInterval(() => { this.#sweep() }, SWEEP_INTERVAL)
    connectionManager.getConnections().forEach(connection => { this.#expect(connection) })
  }

  async stop (): Promise<void> {
    const { registrar, events } = this.#components
    this.#stopping.abort()
    clearInterval(this.#sweeping)
    events.removeEventListener('connection:open', this.#onOpen)
    events.removeEventListener('connection:close', this.#onClose)
    events.removeEventListener('peer:disconnect', this.#onDisconnect)
    this.#waiting.forEach(clearTimeout)
    this.#waiting.clear()
    this.#members.clear()
    this.#nonMembers.stop()
    await registrar.unhandle(this.#protocol)
  }

  isMember (peer: PeerId): boolean {
    const member = this.#members.get(peer.toString())

    return member != null && this.#problem(member) == null
  }

  async confirm (peer: PeerId, { signal }: AbortOptions = {}): Promise<void> {
    if (this.isMember(peer)) {
      return
    }

    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // a stream may come before it is known here that its connection is open
    const late = setTimeout(() => { reject(new InvalidTokenError('missing')) }, this.#patience)
    const onMember = ({ detail }: CustomEvent<MemberDetail>): void => { if (detail.peer.equals(peer)) { resolve() } }
    const onNonMember = ({ detail }: CustomEvent<{ peer: PeerId }>): void => { if (detail.peer.equals(peer)) { reject(new InvalidTokenError('missing')) } }
    const onDisconnect = ({ detail }: CustomEvent<PeerId>): void => { if (detail.equals(peer)) { reject(new InvalidTokenError('missing')) } }
    this.addEventListener('member', onMember)
    this.addEventListener('non-member', onNonMember)
    this.#components.events.addEventListener('peer:disconnect', onDisconnect)

    try {
      await raceSignal(promise, AbortSignal.any([this.#stopping.signal, ...(signal == null ? [] : [signal])]))
    } finally {
      clearTimeout(late)
      this.removeEventListener('member', onMember)
      this.removeEventListener('non-member', onNonMember)
      this.#components.events.removeEventListener('peer:disconnect', onDisconnect)
    }
  }

  readonly #onOpen = ({ detail: connection }: CustomEvent<Connection>): void => { this.#expect(connection) }

  readonly #onClose = ({ detail: connection }: CustomEvent<Connection>): void => { this.#settle(connection) }

  readonly #onDisconnect = ({ detail: peer }: CustomEvent<PeerId>): void => { this.#members.delete(peer.toString()) }

  /** A connection is open: its peer has to show a token soon, and is shown one where this node dialled. */
  #expect (connection: Connection): void {
    if (this.#except(connection) || this.isMember(connection.remotePeer)) {
      return
    }

    this.#waiting.set(connection, setTimeout(() => { this.#deny(connection.remotePeer, new InvalidTokenError('missing').message) }, this.#patience))

    if (connection.direction === 'outbound') {
      this.#ask(connection)
    }
  }

  #settle (connection: Connection): void {
    clearTimeout(this.#waiting.get(connection))
    this.#waiting.delete(connection)
  }

  /** Shows this node's token, and wants to see the other's. */
  #ask (connection: Connection): void {
    const peer = connection.remotePeer

    this.#exchange(connection).catch(err => {
      if (this.#stopping.signal.aborted || connection.status !== 'open') {
        return
      }

      this.#log('%p has not shown that it is a member: %s', peer, err.message)
      this.#deny(peer, err instanceof InvalidTokenError || err instanceof RefusedError ? err.message : 'it does not show tokens')
    })
  }

  async #exchange (connection: Connection): Promise<void> {
    const signal = this.#deadline()
    const token = await this.#tokens.get()
    const stream = await connection.newStream(this.#protocol, { signal, runOnLimitedConnection: true })

    try {
      const messages = readMessages(stream, MAX_MESSAGE_SIZE)
      stream.send(lp.encode.single(Message.encode(token == null ? {} : { token })))
      const answer = Message.decode(await messages.read({ signal }))

      if (answer.token == null && answer.refusal != null) {
        this.#tokens.refused(token)
        throw new RefusedError(`it refuses this node: ${printable(answer.refusal)}`)
      }

      await this.#admit(connection, answer.token)
      await stream.close({ signal })
    } catch (err: any) {
      stream.abort(err)
      throw err
    }
  }

  readonly #onStream = (stream: Stream, connection: Connection): void => {
    this.#answer(stream, connection).catch(err => {
      this.#log('could not answer %p: %s', connection.remotePeer, err.message)
      stream.abort(err)
    })
  }

  /** Another shows its token, and is shown this node's if it is a member. */
  async #answer (stream: Stream, connection: Connection): Promise<void> {
    const signal = this.#deadline()
    const peer = connection.remotePeer

    if (this.#nonMembers.has(peer, performance.now()) && !this.#except(connection)) {
      throw new InvalidTokenError('missing')
    }

    const { token } = Message.decode(await readMessages(stream, MAX_MESSAGE_SIZE).read({ signal }))

    try {
      await this.#admit(connection, token)
    } catch (err) {
      if (!(err instanceof InvalidTokenError)) {
        throw err
      }

      this.#log('%p is no member: %s', peer, err.message)
      stream.send(lp.encode.single(Message.encode({ refusal: err.message })))
      await stream.close({ signal })

      // who need not show one may show what it likes
      if (!this.#except(connection)) {
        this.#deny(peer, err.message)
      }

      return
    }

    const own = await this.#tokens.get()
    stream.send(lp.encode.single(Message.encode(own == null ? { refusal: 'it has no token' } : { token: own })))
    await stream.close({ signal })
  }

  /**
   * @throws {InvalidTokenError} when it is no member
   */
  async #admit (connection: Connection, token: string | undefined): Promise<void> {
    const peer = connection.remotePeer
    const key = peer.toString()
    const membership = await this.#verifier.verify(token, { peer }, Date.now())
    const connections = this.#components.connectionManager.getConnections(peer)
    connections.forEach(connection => { this.#settle(connection) })

    // one whose stream came first may not be known yet
    if (connections.length > 0 || connection.status === 'open') {
      const isNew = !this.#members.has(key)
      this.#members.set(key, { peer, membership })

      if (isNew) {
        this.#log('%p is a member', peer)
        this.safeDispatchEvent('member', { detail: { peer, expires: membership.expires } })
      }
    }
  }

  /** Ends what a peer has open here, and remembers it for a while. */
  #deny (peer: PeerId, reason: string): void {
    this.#members.delete(peer.toString())
    const connections = this.#components.connectionManager.getConnections(peer).filter(connection => !this.#except(connection))

    if (connections.length === 0) {
      return
    }

    this.#nonMembers.add(peer, performance.now())
    this.#log('%p is no member, and its connections are ended: %s', peer, reason)

    for (const connection of connections) {
      this.#settle(connection)
      connection.close({ signal: AbortSignal.timeout(FAREWELL) }).catch(() => {}).finally(() => {
        endConnection(connection, new Error(`The peer is no member: ${reason}`))
      })
    }

    this.safeDispatchEvent('non-member', { detail: { peer, reason } })
  }

  /** Who was a member need not be one any more; whose token ends is asked for another. */
  #sweep (): void {
    this.#nonMembers.forget(performance.now())

    for (const member of this.#members.values()) {
      const problem = this.#problem(member)
      const [connection] = this.#components.connectionManager.getConnections(member.peer)

      if (problem != null) {
        this.#deny(member.peer, problem.message)
      } else if (connection != null && Date.now() + SWEEP_INTERVAL >= member.membership.expires) {
        // it is a member until then, and asked again before
        this.#exchange(connection).catch(err => { this.#log('%p has shown no other token: %s', member.peer, err.message) })
      }
    }
  }

  #problem ({ peer, membership }: Member): InvalidTokenError | undefined {
    try {
      this.#verifier.check(membership, { peer }, Date.now())
    } catch (err: any) {
      return err
    }
  }

  #deadline (): AbortSignal {
    return AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(this.#patience)])
  }
}

/** The other side has its reasons. */
class RefusedError extends Error {}
