// What users get: packs the library and the program, lets linters look at them, installs each in an empty
// project, runs the README's quick start and the program there, and bundles the library for a browser.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'

/** What the library may bring with it. */
const MAX_PACKAGES = 60
const MAX_MEGABYTES = 20

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
  const { name, dependencies } = readJson(join(path, 'package.json'))
  const imported = new Set(globSync('src/**/*.ts', { cwd: path })
    .flatMap(file => readFileSync(join(path, file), 'utf8').split('\n'))
    // not those of the examples in comments
    .map(line => /^(?!\s*\*).*(?:from|import)[ (]'((?:@[^/']+\/)?[^./':][^/':]*)(?:\/[^']*)?'/.exec(line)?.[1])
    .filter(dependency => dependency != null))
  const missing = [...imported].filter(dependency => dependencies[dependency] == null)
  const idle = Object.keys(dependencies).filter(dependency => !imported.has(dependency))

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

/** Runs a point with all that it can do, which takes what is not needed to import the package. */
async function checkProgram (bin) {
  const point = spawn(process.execPath, [bin, 'point', '--memory', '--http', '127.0.0.1:0', '--listen', '/ip4/127.0.0.1/tcp/0', '--json'], { stdio: ['ignore', 'pipe', 'inherit'], timeout: 60_000 })
  const closed = once(point, 'close')
  const lines = createInterface({ input: point.stdout })[Symbol.asyncIterator]()

  try {
    const { value: first = '{}' } = await lines.next()
    const { http } = JSON.parse(first)

    for (const [path, expected] of [['/healthz', /^ok$/m], ['/metrics', /^libp2p_rendezvous_point_registrations 0$/m]]) {
      const text = await (await fetch(`${http}${path}`)).text()

      if (!expected.test(text)) {
        throw new Error(`${path} of the installed program answered:\n${text}`)
      }
    }
  } finally {
    point.kill('SIGTERM')
  }

  const [code, signal] = await closed

  if (code !== 0) {
    throw new Error(`the installed program ended with ${code ?? signal}`)
  }
}

try {
  checkDependencies('.')
  checkDependencies('packages/cli')

  const library = pack('.')
  const program = pack('packages/cli')

  console.log(run('publint', ['run', library, '--strict']))
  console.log(run('attw', [library, '--profile', 'esm-only']))
  console.log(run('publint', ['run', program, '--strict']))

  checkWeight(install('alone', library))

  const readme = readFileSync('README.md', 'utf8')
  const [, packages] = /npm install libp2p-rendezvous (.*)/.exec(readme)
  const [, quickStart] = /`node quick-start\.mjs`:\n\n```js\n(.*?)```/s.exec(readme)
  // the versions this package is tested with
  const { dependencies, devDependencies } = readJson('package.json')
  const wanted = packages.split(' ').map(name => `${name}@${{ ...dependencies, ...devDependencies }[name] ?? 'latest'}`)
  const project = install('quick-start', library, ...wanted)

  writeFileSync(join(project, 'quick-start.mjs'), quickStart)

  const output = run('node', ['quick-start.mjs'], { cwd: project, timeout: 60_000 })

  if (!/^found 12D3KooW\w+\nconnected\n$/.test(output)) {
    throw new Error(`the README's quick start printed:\n${output}`)
  }

  console.log('the README\'s quick start runs')

  await checkProgram(join(install('program', library, program), 'node_modules', '.bin', 'libp2p-rendezvous'))
  console.log('the installed program serves, tells its health, and ends when it is asked to')

  const bundle = await build({
    stdin: { contents: 'export * from "libp2p-rendezvous"', resolveDir: project },
    bundle: true,
    format: 'esm',
    minify: true,
    platform: 'browser',
    write: false,
    logLevel: 'error'
  })

  console.log(`it bundles for a browser: ${Math.round(bundle.outputFiles[0].contents.byteLength / 1024)} KiB minified`)
} finally {
  rmSync(directory, { recursive: true })
}
