/**
 * The rooms of src/, what is in packages/, and who may import whom (CONTEXT.md, Architecture).
 *
 * @type {import('dependency-cruiser').IConfiguration}
 */
module.exports = {
  forbidden: [
    {
      name: 'protocol-imports-no-room',
      severity: 'error',
      from: { path: '^src/protocol/' },
      to: { path: '^src/', pathNot: '^src/protocol/' }
    },
    {
      name: 'store-imports-protocol-alone',
      severity: 'error',
      from: { path: '^src/store/' },
      to: { path: '^src/', pathNot: '^src/(store|protocol)/' }
    },
    {
      name: 'point-imports-protocol-and-store',
      severity: 'error',
      from: { path: '^src/point/' },
      to: { path: '^src/', pathNot: '^src/(point|protocol|store)/' }
    },
    {
      name: 'client-imports-protocol-alone',
      severity: 'error',
      from: { path: '^src/client/' },
      to: { path: '^src/', pathNot: '^src/(client|protocol)/' }
    },
    {
      name: 'network-imports-protocol-client-and-types-of-the-point',
      severity: 'error',
      from: { path: '^src/network/' },
      to: { path: '^src/', pathNot: '^src/(network|protocol|client)/|^src/point/types\\.' }
    },
    {
      name: 'browser-imports-the-client-alone',
      severity: 'error',
      from: { path: '^src/browser/' },
      to: { path: '^src/', pathNot: '^src/(browser|client)/' }
    },
    {
      name: 'transports-are-for-the-browser-entry',
      comment: 'optional peer dependencies, which the other entries do without',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/browser/' },
      to: { dependencyTypes: ['npm-peer', 'npm-dev'], pathNot: 'node_modules/(@libp2p/interface|type-fest)' }
    },
    {
      name: 'packages-use-the-front-door',
      severity: 'error',
      from: { path: '^packages/' },
      to: { path: '^(src|dist)/', pathNot: '^dist/((browser|network)/)?index\\.' }
    },
    {
      name: 'nothing-from-node-in-a-browser',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['core'] }
    },
    {
      name: 'no-circular-imports',
      comment: 'type imports included: the public types of a room are in its types.ts, which imports no class',
      severity: 'error',
      from: {},
      to: { circular: true }
    },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true },
      to: {}
    }
  ],
  options: {
    doNotFollow: { path: ['node_modules', '^dist/'] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' }
  }
}
