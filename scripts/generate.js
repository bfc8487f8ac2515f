// Writes the messages of proto/ to src/protocol; with --check, fails where they are not what is there.

import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** By schema: the file that it generates. */
const MESSAGES = { rendezvous: 'message', watch: 'watch', membership: 'membership' }

const isCheck = process.argv.includes('--check')
const directory = mkdtempSync(join(tmpdir(), 'generated-'))

try {
  for (const [schema, name] of Object.entries(MESSAGES)) {
    execFileSync('protons', [`proto/${schema}.proto`, '--output', directory], { stdio: 'inherit' })
    const generated = join(directory, `${schema}.ts`)
    const file = `src/protocol/${name}.ts`

    if (!isCheck) {
      copyFileSync(generated, file)
    } else if (readFileSync(generated, 'utf8') !== readFileSync(file, 'utf8')) {
      console.error(`${file} is out of date: run npm run generate`)
      process.exitCode = 1
    }
  }
} finally {
  rmSync(directory, { recursive: true })
}
