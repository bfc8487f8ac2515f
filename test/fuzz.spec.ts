import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { fuzz, replay, TARGETS } from '../fuzz/fuzz.ts'

const FINDINGS = new URL('../fuzz/findings/', import.meta.url)

describe('what was found by fuzzing is mended', () => {
  it.each(readdirSync(FINDINGS).filter(name => name.endsWith('.json')))('%s', async name => {
    await replay(JSON.parse(readFileSync(new URL(name, FINDINGS), 'utf8')))
  })
})

describe.each(Object.keys(TARGETS))('fuzzing: %s', name => {
  it('sends some messages and finds nothing', async () => {
    const { sent, finding } = await fuzz(name, TARGETS[name]!(), 1)

    expect(finding).toBe(undefined)
    expect(sent).toBeGreaterThan(100)
  })
})
