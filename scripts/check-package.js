// What users get: packs the library and the program, lets linters look at them, installs each in an empty
// project, runs the README's example there against the program, and bundles the library for a browser.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

/** What the library may bring with it. */
const MAX_PACKAGES = 60
const MAX_MEGABYTES = 20

/** What the client may add to a page that has libp2p, compressed. */
const MAX_CLIENT_KIBIBYTES = 32

const directory = mkdtempSync(join(tmpdir(), 'package-'))

function run (command, args, options) {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options })
}

function readJson (file) {
  return JSON.parse(readFileSync(file, 'utf8'))
}

/** Packs the package in a directory, as it would be published. */
function pack (path) {
  const [{ filename }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', directory], { cwd: path }))

  return join(directory, filename)
}

/** An empty project with these packages. */
function install (name, ...packages) {
  const project = join(directory, name)
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), '{ "private": true }')
  run('npm', ['install', '--no-audit', '--no-fund', ...packages], { cwd: project })

  return project
}

/** A package depends on what its source imports, and on nothing else. */
function checkDependencies (path) {
  const { name, dependencies: own, peerDependencies } = readJson(join(path, 'package.json'))
  const dependencies = { ...own, ...peerDependencies }
  const imported = new Set(globSync('src/**/*.ts', { cwd: path })
    .flatMap(file => readFileSync(join(path, file), 'utf8').split('\n'))
    // not those of the examples in comments
    .map(line => /^(?!\s*\*).*(?:from |import |import\()'((?:@[^/']+\/)?[^./':][^/':]*)(?:\/[^']*)?'/.exec(line)?.[1])
    .filter(dependency => dependency != null))
  const missing = [...imported].filter(dependency => dependencies[dependency] == null)
  // a peer may be there for what users hand over
  const idle = Object.keys(own).filter(dependency => !imported.has(dependency))

  if (missing.length + idle.length > 0) {
    throw new Error(`${name} imports without depending on it: ${missing.join(', ') || 'nothing'}; depends on without importing it: ${idle.join(', ') || 'nothing'}`)
  }
}

/** How much comes with the library, and that none of it does anything when it is installed. */
function checkWeight (project) {
  const { packages } = readJson(join(project, 'node_modules/.package-lock.json'))
  const scripts = Object.entries(packages).filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => path)
  const count = Object.keys(packages).length
  const megabytes = globSync('node_modules/**', { cwd: project })
    .map(path => lstatSync(join(project, path)))
    // as much as it takes on the disk
    .reduce((sum, { blocks }) => sum + blocks * 512, 0) / 2 ** 20
  const weight = `the library brings ${count} packages, ${megabytes.toFixed(1)} MB`

  if (count > MAX_PACKAGES || megabytes > MAX_MEGABYTES || scripts.length > 0) {
    throw new Error(`${weight}, of which these run something when they are installed: ${scripts.join(', ') || 'none'}`)
  }

  console.log(weight)
}

/** A store that points share, as its README makes it; there is no server, so it says that it cannot be reached. */
function checkSharedStore (project) {
  const [, example] = /```js\n(.*?)```/s.exec(readFileSync('packages/valkey/README.md', 'utf8'))
  const started = "await store.start().then(() => 'there is a server', err => err.code).then(code => console.log(code))"
  writeFileSync(join(project, 'store.mjs'), `${example.replace(/:6379/, ':1')}\n${started}`)
  const printed = run(process.execPath, ['store.mjs'], { cwd: project })

  if (printed !== 'ECONNREFUSED\n') {
    throw new Error(`the example of packages/valkey printed:\n${printed}`)
  }
}

/** A page's script with these lines, as a bundler makes it. */
async function bundle (project, ...lines) {
  const { outputFiles: [{ contents }] } = await build({
    stdin: { contents: lines.join('\n'), resolveDir: project },
    bundle: true,
    format: 'esm',
    minify: true,
    platform: 'browser',
    write: false,
    logLevel: 'error'
  })

  return contents
}

/** How much a page has to load for the client, in the company of what it needs anyway. */
async function checkClientSize (project) {
  const node = [
    "export { createLibp2p } from 'libp2p'",
    "export { identify } from '@libp2p/identify'",
    "export { noise } from '@libp2p/noise'",
    "export { webSockets } from '@libp2p/websockets'",
    "export { yamux } from '@libp2p/yamux'"
  ]
  const [without, withClient] = (await Promise.all([bundle(project, ...node), bundle(project, ...node, "export { rendezvousClient } from 'libp2p-rendezvous'")]))
    .map(script => gzipSync(script).byteLength / 1024)
  const size = `the client adds ${(withClient - without).toFixed(1)} KiB to the ${without.toFixed(1)} KiB of a page with libp2p`

  if (withClient - without > MAX_CLIENT_KIBIBYTES) {
    throw new Error(`${size}: more than ${MAX_CLIENT_KIBIBYTES} KiB`)
  }

  console.log(size)
}

/** The lines that a program prints. */
function linesOf ({ stdout }) {
  return createInterface({ input: stdout })[Symbol.asyncIterator]()
}

/** Runs a point with all that it can do, which takes what is not needed to import the package. */
async function checkProgram (bin, whileItServes) {
  const point = spawn(process.execPath, [bin, 'point', '--memory', '--http', '127.0.0.1:0', '--listen', '/ip4/127.0.0.1/tcp/0', '--json'], { stdio: ['ignore', 'pipe', 'inherit'], timeout: 120_000 })
  const closed = once(point, 'close')

  try {
    const { value: first = '{}' } = await linesOf(point).next()
    const { http, addresses } = JSON.parse(first)
    const expectAnswer = async (path, expected) => {
      const text = await (await fetch(`${http}${path}`)).text()

      if (!expected.test(text)) {
        throw new Error(`${path} of the installed program answered:\n${text}`)
      }
    }

    await expectAnswer('/healthz', /^ok$/m)
    await expectAnswer('/', /<h1>Rendezvous point<\/h1>/)
    await expectAnswer('/status/main.js', /EventSource/)
    await expectAnswer('/status/view.js', /^export function fragments/m)
    await whileItServes(addresses[0])
    // who has ended has unregistered
    await expectAnswer('/metrics', /^libp2p_rendezvous_point_registrations 0$/m)
    await expectAnswer('/metrics', /^libp2p_rendezvous_point_outcomes_total{outcome="registration:removed"} 2$/m)
  } finally {
    point.kill('SIGTERM')
  }

  const [code, signal] = await closed

  if (code !== 0) {
    throw new Error(`the installed program ended with ${code ?? signal}`)
  }
}

/** Runs the README's example in two processes, until each has heard from the other. */
async function checkExample (project, point) {
  const peers = [1, 2].map(() => spawn(process.execPath, ['hello.mjs', point], { cwd: project, stdio: ['ignore', 'pipe', 'inherit'], timeout: 60_000 }))
  const ended = peers.map(peer => once(peer, 'close'))
  const lines = peers.map(linesOf)
  const next = async () => (await Promise.all(lines.map(lines => lines.next()))).map(({ value }) => value)
  const ids = (await next()).map(line => /^I am (12D3KooW\w+)$/.exec(line)?.[1])
  const heard = await next()
  peers.forEach(peer => peer.kill('SIGINT'))
  const codes = (await Promise.all(ended)).map(([code]) => code)

  if (`${heard}` !== `${ids[1]}: hello,${ids[0]}: hello` || `${codes}` !== '0,0') {
    throw new Error(`the README's example, as ${ids.join(' and ')}, printed ${heard.join(' and ')}, and ended with ${codes.join(' and ')}`)
  }
}

try {
  checkDependencies('.')
  checkDependencies('packages/cli')
  checkDependencies('packages/valkey')

  const library = pack('.')
  const program = pack('packages/cli')
  const valkey = pack('packages/valkey')

  console.log(run('publint', ['run', library, '--strict']))
  console.log(run('attw', [library, '--profile', 'esm-only']))
  console.log(run('publint', ['run', program, '--strict']))
  console.log(run('publint', ['run', valkey, '--strict']))
  console.log(run('attw', [valkey, '--profile', 'esm-only']))

  checkWeight(install('alone', library))

  const readme = readFileSync('README.md', 'utf8')
  const [file, ...packages] = /^npm install (.*)$/m.exec(readme)[1].split(' ')
  // the versions this package is tested with
  const { dependencies, devDependencies } = readJson('package.json')
  const wanted = packages.map(name => `${name}@${{ ...dependencies, ...devDependencies }[name] ?? 'latest'}`)
  const [, example] = /Save this as `hello\.mjs`.*?```js\n(.*?)```/s.exec(readme)

  if (basename(file) !== basename(library)) {
    throw new Error(`the README installs ${basename(file)}, not ${basename(library)}`)
  }

  const project = install('example', library, ...wanted)
  writeFileSync(join(project, 'hello.mjs'), example)

  await checkProgram(join(install('program', library, valkey, program), 'node_modules', '.bin', 'libp2p-rendezvous'), async point => checkExample(project, point))
  console.log('the installed program serves, tells its health, and ends when it is asked to')
  console.log('the README\'s example runs: two processes find, dial and greet each other, and unregister')

  checkSharedStore(install('shared', library, valkey, `@redis/client@${devDependencies['@redis/client']}`))
  console.log('the store of packages/valkey can be made as its README says')

  await bundle(project, "export * from 'libp2p-rendezvous'")
  await checkClientSize(project)
} finally {
  rmSync(directory, { recursive: true })
}
