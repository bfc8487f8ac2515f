import { defineConfig } from 'vitest/config'

/** The tests that need no node, no network and no other process: what mutants are tried against. */
export default defineConfig({
  test: {
    include: ['test/{protocol,store,point,client}/**/*.spec.ts'],
    exclude: ['test/store/crash.spec.ts'],
    testTimeout: 30_000
  }
})
