import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: {
    // as it is here, and not as it was when it was last built
    alias: [
      { find: /^libp2p-rendezvous$/, replacement: fileURLToPath(new URL('src/index.ts', import.meta.url)) },
      { find: /^libp2p-rendezvous\/browser$/, replacement: fileURLToPath(new URL('src/browser/index.ts', import.meta.url)) },
      { find: /^libp2p-rendezvous\/network$/, replacement: fileURLToPath(new URL('src/network/index.ts', import.meta.url)) },
      { find: /^libp2p-rendezvous\/store-suite$/, replacement: fileURLToPath(new URL('src/store/suite.ts', import.meta.url)) }
    ]
  },
  test: {
    include: ['test/**/*.spec.ts', 'packages/*/test/**/*.spec.ts'],
    testTimeout: 30_000,
    // what is waited for comes when a busy machine gets to it
    expect: { poll: { timeout: 10_000 } }
  }
})
