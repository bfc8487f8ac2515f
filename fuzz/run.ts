/**
 * Sends messages that are wrong in every way to what reads them, and compares what comes of it with naive models.
 *
 *   npm run fuzz -- [--seconds 60 | --messages 1000000] [--seed 1] [--only handler,decoders,log,listing,tokens]
 *
 * What it finds is made as small as it gets and kept in fuzz/findings/, which test/fuzz.spec.ts plays again.
 */

import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { fuzz, nameOf, TARGETS } from './fuzz.ts'
import type { Finding } from './fuzz.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    messages: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    only: { type: 'string', default: Object.keys(TARGETS).join(',') }
  }
})

const names = values.only.split(',')
const unknown = names.find(name => !Object.hasOwn(TARGETS, name))

if (unknown != null) {
  throw new Error(`There is no ${unknown}, only ${Object.keys(TARGETS).join(', ')}`)
}

const seed = Number(values.seed)
const messages = Number(values.messages ?? Infinity)
const seconds = Number(values.seconds ?? (values.messages == null ? 60 : Infinity))
const started = performance.now()
const elapsed = (): number => (performance.now() - started) / 1_000
/** Findings of one target after which it is left alone. */
const MAX_FINDINGS = 10
const PROGRESS = 30

console.log(`seed ${seed}: ${names.join(', ')}`)

const parts = names.map(name => ({ name, target: TARGETS[name]!(), sent: 0, ms: 0, batches: 0, findings: new Map<string, Finding>() }))
let toldAt = 0

const total = (): number => parts.reduce((total, { sent }) => total + sent, 0)
const tell = (): void => {
  console.log(`${Math.round(elapsed())} s: ${total()} messages (${parts.map(({ name, sent }) => `${name} ${sent}`).join(', ')})`)
}

while (total() < messages && elapsed() < seconds) {
  const open = parts.filter(({ findings }) => findings.size < MAX_FINDINGS)

  if (open.length === 0) {
    break
  }

  // each gets the same time
  const part = open.reduce((least, other) => other.ms < least.ms ? other : least)
  const begun = performance.now()
  const { sent, finding } = await fuzz(part.name, part.target, (seed + part.batches++ * 7_919) % 2 ** 31)
  part.ms += performance.now() - begun
  part.sent += sent

  if (finding != null && !part.findings.has(nameOf(finding))) {
    part.findings.set(nameOf(finding), finding)
    await keep(finding)
  }

  if (elapsed() - toldAt >= PROGRESS) {
    toldAt = elapsed()
    tell()
  }
}

tell()

const found = parts.reduce((count, { findings }) => count + findings.size, 0)
console.log(found === 0 ? 'nothing found' : `${found} found, with seed ${seed}`)
process.exitCode = found === 0 ? 0 : 1

async function keep (finding: Finding): Promise<void> {
  const file = new URL(`findings/${nameOf(finding)}.json`, import.meta.url)
  console.log(`\nfound in ${finding.target}, by seed ${finding.seed}:\n${finding.error}\n${JSON.stringify({ setup: finding.setup, messages: finding.messages }, undefined, 1)}\n`)

  if (!existsSync(file)) {
    const error = finding.error.split('\n', 1)[0]
    await writeFile(file, `${JSON.stringify({ ...finding, error }, undefined, 2)}\n`)
  }
}
