import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))

/** Outside the checkout, so that a fresh clone finds what an earlier run built. */
const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'libp2p-rendezvous-interop')

/** A first build compiles everything; a driver that starts or answers takes seconds at the most. */
const BUILD_TIMEOUT = 25 * 60_000
const START_TIMEOUT = 30_000
const ANSWER_TIMEOUT = 20_000

export type Name = 'rust' | 'go' | 'python' | 'canvas'

export interface Implementation {
  name: Name
  /** As in the table: the package and its version, read from what pins it. */
  title: string
  /** Makes the driver ready to start, from the cache when nothing changed. */
  build: () => Promise<void>
  /** The driver's program and the arguments before its own. */
  command: string[]
}

export const implementations: Record<Name, Implementation> = {
  rust: {
    name: 'rust',
    title: `rust-libp2p ${pinned('rust/Cargo.toml', /^libp2p = \{ version = "=([^"]+)"/m)}`,
    command: [join(cache, 'rust/release/interop-rust')],
    build: async () => {
      await run('cargo', ['build', '--release', '--locked', '--manifest-path', join(here, 'rust/Cargo.toml')], { CARGO_TARGET_DIR: join(cache, 'rust') })
    }
  },
  go: {
    name: 'go',
    title: `waku-org/go-libp2p-rendezvous ${pinned('go/go.mod', /go-libp2p-rendezvous v\S*-([0-9a-f]+)$/m)}, go-libp2p ${pinned('go/go.mod', /go-libp2p v(\S+)/)}`,
    command: [join(cache, 'interop-go')],
    build: async () => {
      // its store is SQLite, which is C
      await run('go', ['build', '-C', join(here, 'go'), '-o', join(cache, 'interop-go'), '.'], { CGO_ENABLED: '1' })
    }
  },
  python: {
    name: 'python',
    title: `py-libp2p ${pinned('python/requirements.txt', /^libp2p==(.+)$/m)}`,
    command: [join(cache, 'python/bin/python'), join(here, 'python/main.py')],
    build: async () => {
      const requirements = join(here, 'python/requirements.txt')
      const wanted = `${await run('python3', ['--version'])}${await readFile(requirements, 'utf8')}`
      const stamp = join(cache, 'python/installed')

      if (existsSync(stamp) && await readFile(stamp, 'utf8') === wanted) {
        return
      }

      await rm(join(cache, 'python'), { recursive: true, force: true })
      await run('python3', ['-m', 'venv', join(cache, 'python')])
      await run(join(cache, 'python/bin/python'), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '--requirement', requirements])
      await writeFile(stamp, wanted)
    }
  },
  canvas: {
    name: 'canvas',
    title: `@canvas-js/libp2p-rendezvous ${pinned('canvas/package.json', /libp2p-rendezvous": "([^"]+)"/)}, js-libp2p ${pinned('canvas/package.json', /"libp2p": "([^"]+)"/)}`,
    command: [process.execPath, join(cache, 'canvas/main.js')],
    build: async () => {
      const lock = join(here, 'canvas/package-lock.json')
      const stamp = join(cache, 'canvas/installed')
      const wanted = await readFile(lock, 'utf8')
      await mkdir(join(cache, 'canvas'), { recursive: true })

      for (const file of ['main.js', 'package.json', 'package-lock.json']) {
        await copyFile(join(here, 'canvas', file), join(cache, 'canvas', file))
      }

      if (!existsSync(stamp) || await readFile(stamp, 'utf8') !== wanted) {
        // the scripts build SQLite for its point, which is not used
        await run('npm', ['ci', '--prefix', join(cache, 'canvas'), '--ignore-scripts', '--no-audit', '--no-fund'])
        await writeFile(stamp, wanted)
      }
    }
  }
}

function pinned (file: string, pattern: RegExp): string {
  return readFileSync(join(here, file), 'utf8').match(pattern)?.[1] ?? 'of an unknown version'
}

/** Runs a build step and hands back what it printed. */
async function run (program: string, args: string[], env: Record<string, string> = {}): Promise<string> {
  await mkdir(cache, { recursive: true })
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], signal: AbortSignal.timeout(BUILD_TIMEOUT) })
  const output: string[] = []
  child.stdout.on('data', chunk => output.push(String(chunk)))
  child.stderr.on('data', chunk => output.push(String(chunk)))

  const [code] = await once(child, 'close').catch(err => {
    throw err.code === 'ENOENT' ? new Error(`${program} is not installed`) : err
  })

  if (code !== 0) {
    throw new Error(`${program} ${args[0]} failed: ${output.join('').trim().split('\n').slice(-5).join(' | ')}`)
  }

  return output.join('')
}

export interface Found {
  peer: string
  ns?: string
  ttl?: number
  addresses: string[]
}

/** A driver's answer to a command; what is missing the implementation does not tell. */
export interface Answer {
  ok: boolean
  ttl?: number
  registrations?: Found[]
  cookie?: string
  status?: string
  text?: string
  error?: string
}

/** A running driver. It ends with its standard input, so also when this process is killed. */
export class Driver {
  readonly #child: ReturnType<typeof spawn>
  readonly #lines: AsyncIterator<string>
  #errors = ''
  peerId = ''
  /** Where a server listens. */
  address = ''

  private constructor ([program, ...args]: string[]) {
    this.#child = spawn(program as string, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.on('error', err => { this.#errors += err.message })
    this.#child.stdin?.on('error', () => {})
    this.#child.stderr?.on('data', chunk => { this.#errors = (this.#errors + String(chunk)).slice(-1_000) })
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  }

  static async start ({ command }: Implementation, ...args: string[]): Promise<Driver> {
    const driver = new Driver([...command, ...args])

    try {
      const { peerId, addresses } = await driver.#next(START_TIMEOUT)
      driver.peerId = String(peerId)
      driver.address = String(Array.isArray(addresses) ? addresses[0] : '')
    } catch (err) {
      await driver.stop()
      throw err
    }

    return driver
  }

  get pid (): number | undefined {
    return this.#child.pid
  }

  async do (cmd: string, args: Record<string, unknown> = {}, timeout = ANSWER_TIMEOUT): Promise<Answer> {
    this.#child.stdin?.write(`${JSON.stringify({ cmd, ...args })}\n`)

    return await this.#next(timeout) as unknown as Answer
  }

  async stop (): Promise<void> {
    if (this.#child.exitCode == null && this.#child.signalCode == null && this.#child.pid != null) {
      const gone = once(this.#child, 'exit')
      this.#child.stdin?.end()
      const kill = setTimeout(() => this.#child.kill('SIGKILL'), 3_000)
      await gone
      clearTimeout(kill)
    }
  }

  async #next (timeout: number): Promise<Record<string, unknown>> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), timeout)

    try {
      const { value, done } = await this.#lines.next()

      if (done === true) {
        throw new Error(`The driver ended${this.#errors === '' ? '' : `: ${this.#errors.trim()}`}`)
      }

      return JSON.parse(value)
    } finally {
      clearTimeout(timer)
    }
  }
}
