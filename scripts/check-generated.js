// Fails when src/protocol/message.ts is not what proto/rendezvous.proto generates.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const directory = mkdtempSync(join(tmpdir(), 'generated-'))

try {
  execFileSync('protons', ['proto/rendezvous.proto', '--output', directory], { stdio: 'inherit' })

  if (readFileSync(join(directory, 'rendezvous.ts'), 'utf8') !== readFileSync('src/protocol/message.ts', 'utf8')) {
    console.error('src/protocol/message.ts is out of date: run npm run generate')
    process.exitCode = 1
  }
} finally {
  rmSync(directory, { recursive: true })
}
