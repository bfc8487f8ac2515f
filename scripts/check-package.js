// What a user gets: packs the package, lets its linters look at it, installs it in an empty project,
// runs the README's quick start there, and bundles it for a browser.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { build } from 'esbuild'

const directory = mkdtempSync(join(tmpdir(), 'package-'))

function run (command, args, options) {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options })
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
