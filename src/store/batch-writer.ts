import { TimeoutError } from '@libp2p/interface'
import { Key } from 'interface-datastore'
import type { Datastore } from 'interface-datastore'

/** What a key is to hold; undefined when it is to be deleted. */
type Writes = Map<string, Uint8Array | undefined>

interface Batch {
  readonly writes: Writes
  readonly written: PromiseWithResolvers<void>
}

/**
 * Writes to a datastore, one batch at a time: what arrives while a batch is being written gathers for
 * the next, so that a datastore is used as well as it can be however many write at once.
 *
 * A batch that fails is kept, and is part of every batch after it until one succeeds. A batch that
 * takes too long fails for those who wait for it, but the next one is not begun before it has ended,
 * for nobody knows in which order the two would arrive. In both cases `isBehind` tells that the
 * datastore lacks something it should have; whoever writes only when it does not keeps what is held
 * here bounded.
 */
export class BatchWriter {
  readonly #datastore: Datastore
  readonly #timeout: number
  readonly #reopen: (() => Promise<void>) | undefined
  /** How many batches have failed since one succeeded. */
  #failures = 0
  #retry: ReturnType<typeof setTimeout> | undefined
  #isClosed = false
  #next: Batch | undefined
  #failed: Writes = new Map()
  #isStalled = false
  #running: Promise<void> | undefined

  /**
   * @param timeout - of one batch, in milliseconds; and the time until a failed one is tried again when
   * nobody has asked for it before
   * @param reopen - what is done before a batch that failed twice is tried again: some databases do not
   * recover from a full disk before they are opened anew
   */
  constructor (datastore: Datastore, timeout: number, reopen?: () => Promise<void>) {
    this.#datastore = datastore
    this.#timeout = timeout
    this.#reopen = reopen
  }

  /** Whether a batch failed and its writes are still to be made, or one takes too long. */
  get isBehind (): boolean {
    return this.#isStalled || this.#failed.size > 0
  }

  /**
   * Resolves when the datastore has the value, or no longer has the key when the value is undefined.
   * Rejects when it could not be written in time; it will be, together with later ones. To wait for it
   * is not required.
   */
  write (key: string, value: Uint8Array | undefined): Promise<void> {
    const batch = this.#join()
    batch.writes.set(key, value)

    return batch.written.promise
  }

  /**
   * Resolves when the datastore has everything, and tries to write again what failed.
   *
   * @throws {TimeoutError} at once, when it is known that the datastore does not answer
   */
  async flush (): Promise<void> {
    if (this.#isStalled) {
      throw this.#timeoutError()
    }

    if (this.#running != null || this.#failed.size > 0) {
      return this.#join().written.promise
    }
  }

  /** Tries no more by itself. Resolves when nothing is being written, whatever came of it. */
  async close (): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#retry)
    await this.#running
  }

  #join (): Batch {
    if (this.#next == null) {
      this.#next = { writes: new Map(), written: Promise.withResolvers() }
      // perhaps nobody waits for it
      this.#next.written.promise.catch(() => {})
      this.#running ??= this.#run()
    }

    return this.#next
  }

  async #run (): Promise<void> {
    clearTimeout(this.#retry)
    // what is written in the same turn of the event loop belongs together
    await Promise.resolve()

    while (this.#next != null) {
      const { writes, written } = this.#next
      this.#next = undefined

      const all = this.#failed.size === 0 ? writes : new Map([...this.#failed, ...writes])
      const timer = setTimeout(() => {
        this.#isStalled = true
        written.reject(this.#timeoutError())
        this.#next?.written.reject(this.#timeoutError())
      }, this.#timeout)

      try {
        if (this.#failures > 1) {
          await this.#reopen?.()
        }

        await this.#commit(all)
        this.#failed = new Map()
        this.#failures = 0
        written.resolve()
      } catch (err) {
        this.#failed = all
        this.#failures++
        written.reject(err)
      } finally {
        clearTimeout(timer)
        this.#isStalled = false
      }
    }

    // in the same step as the last look at `#next`: what comes a moment later has to begin anew
    this.#running = undefined

    if (this.#failed.size > 0 && !this.#isClosed) {
      this.#retry = setTimeout(() => { this.flush().catch(() => {}) }, this.#timeout)
    }
  }

  async #commit (writes: Writes): Promise<void> {
    if (writes.size === 0) {
      return
    }

    const batch = this.#datastore.batch()

    for (const [key, value] of writes) {
      if (value == null) {
        batch.delete(new Key(key))
      } else {
        batch.put(new Key(key), value)
      }
    }

    await batch.commit()
  }

  #timeoutError (): TimeoutError {
    return new TimeoutError(`The datastore did not write within ${this.#timeout} ms`)
  }
}
