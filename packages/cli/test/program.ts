import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import type { ChildProcess } from 'node:child_process'

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
/** As npm links it, and as it is started by its name. */
export const ENTRY = join(ROOT, 'node_modules/.bin/libp2p-rendezvous')

/** How long the program may take for anything, on a machine that is busy with other tests. */
export const PATIENCE = 20_000

/** Builds what has changed since it was last built. */
export function build (): void {
  const { status, stdout } = spawnSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '--build', 'packages/cli'], { cwd: ROOT, encoding: 'utf8' })
  expect(status, stdout).to.equal(0)
}

export interface Ended {
  code: number | null
  /** Milliseconds from when it was asked to end. */
  took: number
}

const running = new Set<Program>()

/** Ends what a test has left running. */
export async function endPrograms (): Promise<void> {
  await Promise.all([...running].map(async program => program.end('SIGKILL')))
}

/**
 * The program as a child process.
 */
export class Program {
  readonly #child: ChildProcess
  readonly #ended: Promise<number | null>
  readonly #lines: string[] = []
  #onLine = (): void => {}
  stderr = ''

  constructor (args: string[], nodeArgs: string[] = []) {
    this.#child = spawn(process.execPath, [...nodeArgs, ENTRY, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#ended = new Promise(resolve => {
      this.#child.once('close', code => {
        running.delete(this)
        resolve(code)
        this.#onLine()
      })
    })
    this.#child.stderr?.setEncoding('utf8').on('data', text => { this.stderr += text })
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', line => {
      this.#lines.push(line)
      this.#onLine()
    })
    running.add(this)
  }

  /** The next line of its output. */
  async line (): Promise<string> {
    const deadline = Date.now() + PATIENCE

    while (this.#lines.length === 0) {
      if (this.#child.exitCode != null || this.#child.signalCode != null || Date.now() > deadline) {
        throw new Error(`There is no further line. On stderr: ${this.stderr}`)
      }

      await new Promise<void>(resolve => {
        this.#onLine = resolve
        setTimeout(resolve, deadline - Date.now()).unref()
      })
    }

    return this.#lines.shift() as string
  }

  /** The next line, an object. */
  async event (): Promise<any> {
    return JSON.parse(await this.line())
  }

  /** The objects from the next line on, up to one that has this event. */
  async until (event: string): Promise<any> {
    let next

    do {
      next = await this.event()
    } while (next.event !== event)

    return next
  }

  signal (name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  async end (name: NodeJS.Signals): Promise<Ended> {
    const start = Date.now()
    this.signal(name)

    return { code: await this.#ended, took: Date.now() - start }
  }

  async ended (): Promise<number | null> {
    return this.#ended
  }

  /** Lines that were not asked for. */
  get rest (): string[] {
    return this.#lines
  }
}

/** Runs the program to its end. */
export async function run (...args: string[]): Promise<{ code: number | null, stdout: string[], stderr: string[] }> {
  const program = new Program(args)
  const code = await program.ended()

  return { code, stdout: program.rest, stderr: program.stderr.split('\n').slice(0, -1) }
}
