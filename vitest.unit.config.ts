import { defineConfig } from 'vitest/config'

/**
 * The tests that need no node, no network and no other process: what mutants are tried against. UNIT_TESTS names those
 * that are about one file: others that only use it make a run ten times as long.
 */
export default defineConfig({
  test: {
    include: [process.env.UNIT_TESTS ?? 'test/{protocol,store,point,client,network}/**/*.spec.ts'],
    exclude: ['test/store/crash.spec.ts'],
    testTimeout: 30_000
  }
})
