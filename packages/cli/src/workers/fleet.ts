import cluster from 'node:cluster'
import { once } from 'node:events'
import { Failure, UsageError } from '../failures.ts'
import { END } from '../signals.ts'
import { placeEnv } from './place.ts'
import { pauseBefore } from './restarts.ts'
import type { Worker } from 'node:cluster'
import type { Introduction } from '../introduction.ts'
import type { Answers, Start, ToParent, ToWorker } from './messages.ts'

/** How long a worker may take to answer. Milliseconds. */
const PATIENCE = 2_000

export interface FleetInit {
  workers: number
  start: Start
  /** Called with each worker that has ended, why, and in how many milliseconds it is started again. */
  onEnded: (number: number, reason: string, pause: number) => void
  /** Called with each worker that was started again, when it is ready. */
  onStarted: (number: number, pid: number | undefined) => void
}

/** One of the workers: the process of today. */
interface Member {
  readonly number: number
  process: Worker | undefined
  /** When it was ready for work. */
  readySince: number | undefined
  restarts: number
  /** Before its last start, in milliseconds. */
  pause: number
  timer: ReturnType<typeof setTimeout> | undefined
}

/** The processes that share the work. Each that ends is started again, until all are told to end. */
export class Fleet {
  readonly #init: FleetInit
  readonly #members: Member[]
  readonly #questions = new Map<number, (answer: unknown) => void>()
  #asked = 0
  #isEnding = false

  constructor (init: FleetInit) {
    this.#init = init
    this.#members = Array.from({ length: init.workers }, (_, index) => ({ number: index + 1, process: undefined, readySince: undefined, restarts: 0, pause: 0, timer: undefined }))
    // keys are not only text
    cluster.setupPrimary({ serialization: 'advanced' })
  }

  /**
   * @returns what each says of the point when it serves
   * @throws {Failure | UsageError} what keeps one from it; the others are ended
   */
  async start (): Promise<Introduction[]> {
    try {
      return await Promise.all(this.#members.map(async member => this.#fork(member)))
    } catch (err) {
      this.#isEnding = true
      this.#members.forEach(({ process }) => process?.process.kill('SIGKILL'))

      throw err
    }
  }

  /**
   * What each answers, in the order of their numbers: undefined of one that does not in time.
   *
   * @param what - is asked about, where it is one of many
   */
  async ask <K extends keyof Answers> (about: K, what = '', patience = PATIENCE): Promise<Array<Answers[K] | undefined>> {
    return Promise.all(this.#members.map(async member => this.#ask(member, about, what, patience)))
  }

  /** What one that serves answers, where all would say the same. */
  async askOne <K extends keyof Answers> (about: K, what = '', patience = PATIENCE): Promise<Answers[K] | undefined> {
    const member = this.#members.find(({ readySince }) => readySince != null)

    return member == null ? undefined : this.#ask(member, about, what, patience)
  }

  async #ask <K extends keyof Answers> ({ process }: Member, about: K, what: string, patience: number): Promise<Answers[K] | undefined> {
    if (process == null) {
      return
    }

    const id = ++this.#asked
    const { promise, resolve } = Promise.withResolvers<unknown>()
    const timer = setTimeout(resolve, patience)
    this.#questions.set(id, resolve)
    send(process, { type: 'ask', id, about, what })
    const answer = await promise
    clearTimeout(timer)
    this.#questions.delete(id)

    return answer as Answers[K] | undefined
  }

  /** Of the processes, while there are such. */
  get pids (): Array<number | undefined> {
    return this.#members.map(({ process }) => process?.process.pid)
  }

  get restarts (): number[] {
    return this.#members.map(({ restarts }) => restarts)
  }

  /** Has all of them answer what is in flight and end. Those that are only being started end at once. */
  async end (): Promise<void> {
    this.#isEnding = true

    await Promise.all(this.#members.map(async ({ process, readySince, timer }) => {
      clearTimeout(timer)

      if (process == null) {
        return
      }

      const ended = once(process, 'exit')

      if (readySince == null) {
        process.process.kill('SIGKILL')
      } else {
        send(process, END)
      }

      await ended
    }))
  }

  /** Starts a process, which is started again from when it was ready on. */
  async #fork (member: Member): Promise<Introduction> {
    const { number } = member
    const process = cluster.fork(placeEnv({ number, of: this.#members.length }))
    let failure: Failure | UsageError | undefined
    member.process = process

    return new Promise((resolve, reject) => {
      process.on('error', () => {})
      process.on('message', (message: ToParent) => {
        switch (message.type) {
          case 'up':
            send(process, { type: 'start', start: this.#init.start })
            break
          case 'ready':
            member.readySince = performance.now()
            resolve(message.point)
            break
          case 'failed':
            failure = new (message.isUsage ? UsageError : Failure)(message.message, { cause: Object.assign(new Error(), { stack: message.stack }) })
            break
          case 'answer':
            this.#questions.get(message.id)?.(message.answer)
        }
      })
      process.once('exit', (code, signal) => {
        const served = member.readySince == null ? 0 : performance.now() - member.readySince
        const reason = failure ?? new Failure(signal == null ? `exit code ${code}` : signal)
        const wasReady = member.readySince != null
        member.process = undefined
        member.readySince = undefined
        reject(wasReady ? reason : failure ?? new Failure(`worker ${number} ended while it was started (${reason.message})`))

        if (wasReady || member.restarts > 0) {
          this.#restart(member, reason.message, served)
        }
      })
    })
  }

  #restart (member: Member, reason: string, served: number): void {
    if (this.#isEnding) {
      return
    }

    member.pause = pauseBefore(served, member.pause)
    member.restarts++
    this.#init.onEnded(member.number, reason, member.pause)
    member.timer = setTimeout(() => {
      this.#fork(member).then(() => { this.#init.onStarted(member.number, member.process?.process.pid) }, () => {
        // that is heard of when it ends
      })
    }, member.pause)
  }
}

function send (process: Worker, message: ToWorker | typeof END): void {
  if (process.isConnected()) {
    // who cannot be told any more has ended, and that is heard of
    process.send(message, () => {})
  }
}
