import neostandard from 'neostandard'

export default [
  ...neostandard({
    ts: true,
    ignores: ['**/dist', 'coverage', 'api', '.stryker-tmp', 'reports', 'interop/rust', 'interop/go', 'interop/python', 'src/protocol/message.ts', 'src/protocol/watch.ts', 'src/protocol/membership.ts']
  }),
  {
    rules: {
      // a type and a value of one name are one thing to TypeScript, which reports real redeclarations
      '@typescript-eslint/no-redeclare': 'off'
    }
  },
  {
    // what a browser bundles
    files: ['src/**/*.ts'],
    rules: {
      'no-restricted-imports': ['error', { patterns: ['node:*'] }],
      'no-restricted-globals': ['error', 'Buffer', 'process']
    }
  }
]
