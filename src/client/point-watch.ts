import { ProtocolError, StreamResetError } from '@libp2p/interface'
import * as lp from 'it-length-prefixed'
import { pEvent } from 'p-event'
import { MAX_RESPONSE_SIZE } from '../protocol/constants.ts'
import { errorFromStatus, NotAuthorizedError, RendezvousError, Status } from '../protocol/errors.ts'
import { WatchEvent, WatchRequest } from '../protocol/watch.ts'
import { Deadline } from './deadline.ts'
import { BROKEN_MESSAGE, readMessages } from './read-messages.ts'
import { Subscriptions } from './subscriptions.ts'
import { Trust } from './trust.ts'
import type { ErrorStatus } from '../protocol/errors.ts'
import type { Tokens } from './tokens.ts'
import type { Logger, PeerId, Stream } from '@libp2p/interface'
import type { Message } from '../protocol/message.ts'

/** Bytes that may have come while an event is taken in: what a muxer holds of a stream that is paused. */
const MAX_AHEAD = 4 * 1024 * 1024

/** Of each in one event. */
const MAX_NAMED = 32_768

/** How long a point may take to end its side of a stream, in milliseconds. */
const CLOSE_TIMEOUT = 1_000

/** A cookie longer than this is not kept. */
const MAX_COOKIE_LENGTH = 1_024

/** What came of listening to a point. */
export type WatchResult = 'update' | 'resync' | 'refused' | 'lost' | 'unsupported' | 'distrusted'

/** What an update says, unverified. */
export interface ToldChange {
  namespace: string
  /** The mark at which the listing began that it belongs to. */
  mark: number
  /** Peer ids in their binary form. */
  gone: Uint8Array[]
  registrations: Message.Register[]
  /** Whether the listing goes on. */
  more: boolean
}

export interface PointWatchInit {
  /**
   * Opens a stream of the watch protocol, dialling the point where need be.
   *
   * @throws {UnsupportedProtocolError} when it does not speak the protocol
   */
  open: (signal: AbortSignal) => Promise<Stream>
  /** Milliseconds that opening, and an answer, may take. */
  timeout: number
  /** What is shown to the point. */
  tokens: Pick<Tokens, 'get' | 'refused' | 'isPermanent'>
  mark: () => number
  cookieOf: (namespace: string) => Uint8Array | undefined
  keepCookie: (namespace: string, cookie: Uint8Array | undefined) => void
  /** Takes in what an update says; resolves to how much of it can be believed, and how much no honest point says. */
  take: (change: ToldChange, signal: AbortSignal) => Promise<{ right: number, wrong: number }>
  /** The point has listed a namespace from the beginning since a mark. */
  onListed: (namespace: string, mark: number) => void
  /** What the point says cannot be believed, nor where a listing ended. */
  onDistrust: () => void
  /** The point says what is registered there; when it was asked is by the steady clock. */
  onRegistered: (namespaces: Set<string>, askedAt: number) => void
  /** The point has ended a registration of this node. Returns whether there was one. */
  onEnded: (namespace: string, error: RendezvousError) => boolean
  /** What is due may be another than before. */
  onChange: () => void
  onResult: (result: WatchResult) => void
  log: Logger
}

/**
 * The watch stream of one point, and what is told on it: does what `Subscriptions` decides. What the
 * point sends is taken in one event after the other, and the stream is paused meanwhile.
 */
export class PointWatch {
  readonly point: PeerId
  readonly #init: PointWatchInit
  readonly #subscriptions: Subscriptions
  readonly #stopping = new AbortController()
  #trust = new Trust(performance.now())
  #stream: Stream | undefined
  /** What the point says is registered there, on this stream. */
  #registered: Set<string> | undefined
  /** Whether the point has ever said what is registered there since it was last found to speak the protocol. */
  #saysRegistered = false
  /** The token that it was shown last. */
  #shown: string | undefined
  #changed = Promise.withResolvers<void>()

  constructor (point: PeerId, init: PointWatchInit) {
    this.point = point
    this.#init = init
    this.#subscriptions = new Subscriptions({ random: Math.random, mark: init.mark, cookieOf: init.cookieOf, isPermanent: error => init.tokens.isPermanent(error) })
  }

  get wakeAt (): number {
    return this.#subscriptions.wakeAt
  }

  get isOver (): boolean {
    return this.#subscriptions.isOver(performance.now())
  }

  get size (): number {
    return this.#subscriptions.size
  }

  /** Whether the point answers what is registered there. */
  get saysRegistered (): boolean {
    return this.#saysRegistered
  }

  want (namespaces: string[], isLive: boolean): void {
    this.#subscriptions.want(namespaces, isLive, performance.now())
  }

  tells (namespace: string): boolean {
    return this.#subscriptions.tells(namespace)
  }

  /** The point is connected, or speaks other protocols than before. */
  connected (): void {
    this.#subscriptions.connected(performance.now())
  }

  /** Does what is due. */
  run (): void {
    if (this.#stopping.signal.aborted) {
      return
    }

    for (const step of this.#subscriptions.due(performance.now())) {
      switch (step.do) {
        case 'open': this.#serve().catch(err => { this.#init.log.error('could not watch at %p - %e', this.point, err) }); break
        case 'close': this.#close(); break
        default: this.#request(step.request)
      }
    }

    this.#init.onChange()
  }

  /**
   * Waits until it has turned out whether the point tells what happens in a namespace.
   *
   * @throws {AbortError} when the signal aborts
   */
  async untilTells (namespace: string, signal: AbortSignal): Promise<boolean> {
    await this.#until(() => !this.#subscriptions.isPending(namespace, performance.now()), signal)

    return this.#subscriptions.tells(namespace)
  }

  /** What is registered at the point, as it says; undefined when it does not. */
  async untilRegistered (): Promise<Set<string> | undefined> {
    await this.#until(() => this.#registered != null || !this.#subscriptions.isAsked(performance.now()), this.#stopping.signal)

    return this.#registered
  }

  stop (): void {
    this.#close()
    this.#stopping.abort()
  }

  async #until (isSo: () => boolean, signal: AbortSignal): Promise<void> {
    const deadline = new Deadline(this.#init.timeout, `Listening to ${this.point}`, signal)

    try {
      while (!isSo() && !this.#stopping.signal.aborted) {
        await deadline.race(this.#changed.promise)
      }
    } catch (err: any) {
      if (err.name !== 'TimeoutError') {
        throw err
      }

      this.#stream?.abort(err)
    } finally {
      deadline.clear()
    }
  }

  async #serve (): Promise<void> {
    const { log } = this.#init
    let stream: Stream | undefined

    try {
      stream = await this.#open()
      this.#stream = stream
      log('%p is listened to', this.point)
      this.#subscriptions.opened(performance.now())
      this.run()
      await this.#listen(stream)
    } catch (err: any) {
      // unless it was closed from here
      if (this.#stream === stream && !this.#stopping.signal.aborted) {
        this.#failed(err)
        stream?.abort(err)
      }
    } finally {
      if (this.#stream === stream) {
        this.#stream = undefined
        this.#registered = undefined
      }

      this.#tellChanged()
      this.run()
    }
  }

  async #open (): Promise<Stream> {
    const { open, timeout } = this.#init
    const deadline = new Deadline(timeout, `Opening a watch stream to ${this.point}`, this.#stopping.signal)

    try {
      return await deadline.race(open(deadline.signal).then(stream => {
        if (deadline.isOver) {
          stream.abort(new Error('Nobody waits for the stream any more'))
        }

        return stream
      }))
    } finally {
      deadline.clear()
    }
  }

  #failed (err: Error): void {
    const { log, onDistrust, onResult } = this.#init
    const now = performance.now()

    if (err.name === 'UnsupportedProtocolError') {
      log('%p does not speak the watch protocol: it is asked', this.point)
      this.#saysRegistered = false
      this.#subscriptions.unsupported()
      onResult('unsupported')
    } else if (err instanceof ProtocolError || BROKEN_MESSAGE.has(err.name)) {
      log('%p is no longer listened to but asked: %s', this.point, err.message)
      this.#subscriptions.distrust(now)
      this.#trust = new Trust(now)
      onDistrust()
      onResult('distrusted')
    } else {
      log('%p can no longer be listened to - %e', this.point, err)
      this.#subscriptions.lost(now)
      onResult('lost')
    }
  }

  /** @throws when the stream ends, for whatever reason */
  async #listen (stream: Stream): Promise<never> {
    const { signal } = this.#stopping
    const messages = readMessages(stream, MAX_RESPONSE_SIZE, MAX_AHEAD)

    for (;;) {
      if (stream.readStatus === 'paused') {
        stream.resume()
      }

      const bytes = await messages.read({ signal })

      if (stream.readStatus === 'readable') {
        stream.pause()
      }

      const event = this.#decode(bytes)
      const amount = 1 + (event.update?.registrations.length ?? 0) + (event.update?.gone.length ?? 0)
      await this.#take(event, this.#trust, signal)
      this.#tellChanged()
      this.run()

      if (this.#trust.isLost) {
        throw new ProtocolError('what it says cannot be believed')
      }

      const pause = this.#trust.spend(amount, performance.now())

      if (pause > 0) {
        this.#init.log('%p says more than can be listened to: the rest in %d ms', this.point, pause)
        await untilClosed(stream, new Deadline(pause, 'Resting', signal))

        // what had come before it ended is not read without a rest
        if (stream.status !== 'open') {
          throw new StreamResetError('The stream ended while it was not read')
        }
      }
    }
  }

  #decode (bytes: Parameters<typeof WatchEvent.decode>[0]): WatchEvent {
    try {
      return WatchEvent.decode(bytes, {
        limits: { update: { gone: MAX_NAMED, registrations: MAX_NAMED }, registered: { namespaces: MAX_NAMED } }
      })
    } catch (err: any) {
      throw new ProtocolError(`it sent a malformed event: ${err.message}`)
    }
  }

  async #take ({ update, registered, ended }: WatchEvent, trust: Trust, signal: AbortSignal): Promise<void> {
    if (update != null) {
      await this.#takeUpdate(update, trust, signal)
    } else if (registered != null) {
      this.#takeRegistered(registered, trust)
    } else if (ended != null) {
      this.#takeEnded(ended, trust)
    }
  }

  async #takeUpdate ({ id = 0, status, statusText, gone, resync, registrations, cookie, more = false }: WatchEvent.Update, trust: Trust, signal: AbortSignal): Promise<void> {
    const { keepCookie, take, onListed, onResult, log } = this.#init
    const subscription = this.#subscriptions.find(id)

    if (subscription == null) {
      // it may have crossed the end of the subscription
      trust.judge(0, 1)
      return
    }

    const { namespace, mark } = subscription

    if (status != null && status !== WatchEvent.ResponseStatus.OK) {
      const error = this.#errorOf(status, statusText, namespace)
      log('%p does not tell of "%s": %s', this.point, namespace, error.message)

      if (error.name === 'InvalidCookieError') {
        keepCookie(namespace, undefined)
      } else if (error instanceof NotAuthorizedError) {
        this.#init.tokens.refused(this.#shown)
      }

      this.#subscriptions.updated(subscription, { error }, performance.now())
      onResult('refused')
      return
    }

    const { right, wrong } = await take({ namespace, mark, gone, registrations, more }, signal)
    trust.judge(right, wrong)
    log('%p tells of %d in "%s", of %d who are gone%s%s', this.point, registrations.length, namespace, gone.length, resync === true ? ' and that there may be more of those' : '', more ? ', and goes on' : '')
    onResult('update')

    // unless it is not wanted any longer, or begun anew
    if (this.#subscriptions.find(id) === subscription) {
      keepCookie(namespace, cookie == null || cookie.byteLength === 0 || cookie.byteLength > MAX_COOKIE_LENGTH ? undefined : new Uint8Array(cookie))
      const listedSince = this.#subscriptions.updated(subscription, { resync, more }, performance.now())

      if (listedSince != null) {
        onListed(namespace, listedSince)
        onResult('resync')
      }
    }
  }

  #takeRegistered ({ namespaces }: WatchEvent.Registered, trust: Trust): void {
    const askedAt = this.#subscriptions.registered()

    if (askedAt == null) {
      trust.judge(0, 1)
      return
    }

    this.#init.log('%p has %d registrations of this node', this.point, namespaces.length)
    this.#registered = new Set(namespaces)
    this.#saysRegistered = true
    this.#init.onRegistered(this.#registered, askedAt)
  }

  #takeEnded ({ ns = '', status, statusText }: WatchEvent.Ended, trust: Trust): void {
    const error = this.#errorOf(status ?? WatchEvent.ResponseStatus.OK, statusText, ns)
    this.#registered?.delete(ns)
    // it may have crossed the end of the registration
    trust.judge(0, this.#init.onEnded(ns, error) ? 0 : 1)
  }

  #errorOf (status: WatchEvent.ResponseStatus, statusText: string | undefined, namespace: string): RendezvousError {
    // that nothing is wrong is no reason
    const reason = status === WatchEvent.ResponseStatus.OK ? Status.E_UNAVAILABLE : Status[status]

    return errorFromStatus(reason as ErrorStatus, statusText, { point: this.point, namespace })
  }

  /** A subscription goes out with the token of this node, once there is one. */
  #request (request: WatchRequest): void {
    const { subscribe } = request
    const token = subscribe == null ? undefined : this.#init.tokens.get()

    if (subscribe == null || token == null) {
      this.#send(request)
    } else if (typeof token === 'string') {
      this.#send({ subscribe: { ...subscribe, token } })
      this.#shown = token
    } else {
      this.#awaitToken(subscribe, token).catch(err => { this.#init.log.error('could not subscribe at %p - %e', this.point, err) })
    }
  }

  async #awaitToken (subscribe: WatchRequest.Subscribe, token: Promise<string | undefined>): Promise<void> {
    const subscription = this.#subscriptions.find(subscribe.id as number)
    const result = await token.catch((err: Error) => err)

    // unless it is not wanted any longer, or the stream has ended
    if (subscription == null || this.#subscriptions.find(subscribe.id as number) !== subscription) {
      return
    }

    if (result instanceof Error) {
      this.#init.log('there is no token to watch "%s" at %p with - %e', subscription.namespace, this.point, result)
      this.#subscriptions.updated(subscription, { error: new RendezvousError('There is no token') }, performance.now())
      this.#tellChanged()
      this.run()
    } else {
      this.#send({ subscribe: { ...subscribe, ...(result == null ? {} : { token: result }) } })
      this.#shown = result
    }
  }

  #send (request: WatchRequest): void {
    try {
      this.#stream?.send(lp.encode.single(WatchRequest.encode(request)))
    } catch (err) {
      // whoever reads it is told that it has ended
      this.#init.log('could not send to %p - %e', this.point, err)
    }
  }

  #close (): void {
    const stream = this.#stream
    this.#stream = undefined
    this.#registered = undefined

    if (stream != null) {
      close(stream).catch(err => { this.#init.log('could not end the stream to %p well - %e', this.point, err) })
    }
  }

  #tellChanged (): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}

/** Ends a stream from this side, and from the other as well where that does not. */
async function close (stream: Stream): Promise<void> {
  const deadline = new Deadline(CLOSE_TIMEOUT, 'Ending a watch stream')

  try {
    if (stream.readStatus === 'paused') {
      stream.resume()
    }

    await stream.close({ signal: deadline.signal })

    if (stream.remoteWriteStatus === 'writable') {
      await pEvent(stream, ['remoteCloseWrite', 'close'], { signal: deadline.signal })
    }
  } finally {
    deadline.clear()
    // does nothing to a stream that has ended
    stream.abort(new Error('Nothing is watched any more'))
  }
}

/** Waits until the time is over, or the stream. */
async function untilClosed (stream: Stream, deadline: Deadline): Promise<void> {
  try {
    if (stream.status === 'open') {
      await pEvent(stream, 'close', { signal: deadline.signal })
    }
  } catch {
    // nothing has happened
  } finally {
    deadline.clear()
  }
}
