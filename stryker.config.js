/**
 * Mutation tests, by hand: `npm run mutation -- --mutate src/point/handler.ts` for one file, a minute or two with
 * `UNIT_TESTS='test/point/{handler,listing}.spec.ts'` before it, which names the tests that are about it. A mutant that
 * changes nothing is marked where it would be made: `// Stryker disable next-line <mutator>: <reason>`.
 *
 * @type {import('@stryker-mutator/api/core').PartialStrykerOptions}
 */
export default {
  testRunner: 'vitest',
  plugins: ['@stryker-mutator/vitest-runner'],
  vitest: { configFile: 'vitest.unit.config.ts' },
  mutate: [
    'src/point/{handler,checks,listing}.ts',
    'src/protocol/peer-record.ts',
    'src/store/{memory,namespaces,fair-shares,gradual-shares,draw,peer-index,sequence-list,expiry-queue,split-map}.ts',
    'src/client/{keep-alive,discovered,listing}.ts'
  ],
  concurrency: 2,
  reporters: ['clear-text', 'progress'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  thresholds: { high: 97, low: 93, break: 93 },
  tempDirName: '.stryker-tmp',
  ignorePatterns: ['/bench', '/interop', '/dist', '/packages', '/reports']
}
