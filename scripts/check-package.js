// What a user gets: packs the package, lets its linters look at it, installs it in an empty project,
// runs the README's quick start and the program there, and bundles it for a browser.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'

const directory = mkdtempSync(join(tmpdir(), 'package-'))

function run (command, args, options) {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options })
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
  const [{ filename }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', directory]))
  const tarball = join(directory, filename)

  console.log(run('publint', ['run', tarball, '--strict']))
  console.log(run('attw', [tarball, '--profile', 'esm-only']))

  const readme = readFileSync('README.md', 'utf8')
  const [, packages] = /npm install libp2p-rendezvous (.*)/.exec(readme)
  const [, quickStart] = /`node quick-start\.mjs`:\n\n```js\n(.*?)```/s.exec(readme)
  // the versions this package is tested with
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
  const wanted = packages.split(' ').map(name => `${name}@${dependencies[name] ?? 'latest'}`)
  const project = { cwd: directory }

  writeFileSync(join(directory, 'package.json'), '{ "private": true }')
  run('npm', ['install', '--no-audit', '--no-fund', resolve(tarball), ...wanted], project)
  writeFileSync(join(directory, 'quick-start.mjs'), quickStart)

  const output = run('node', ['quick-start.mjs'], { ...project, timeout: 60_000 })

  if (!/^found 12D3KooW\w+\nconnected\n$/.test(output)) {
    throw new Error(`the README's quick start printed:\n${output}`)
  }

  console.log('the README\'s quick start runs')

  await checkProgram(join(directory, 'node_modules', '.bin', 'libp2p-rendezvous'))
  console.log('the installed program serves, tells its health, and ends when it is asked to')

  const bundle = await build({
    stdin: { contents: 'export * from "libp2p-rendezvous"', resolveDir: directory },
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
