#!/usr/bin/env node
/**
 * The program's entry. It has to be understood by Nodes that are too old for the rest, so it imports
 * nothing until it has looked at the version, and its syntax is as old as modules are. It is no product
 * of the build, for npm links only what is there when it installs.
 */

const OLDEST = 22
const major = Number(process.versions.node.split('.')[0])

if (major < OLDEST) {
  console.error('libp2p-rendezvous needs Node.js ' + OLDEST + ' or newer, and this is ' + process.versions.node + ': install a newer one from https://nodejs.org')
  process.exitCode = 1
} else {
  import('../dist/main.js').then(function (program) {
    return program.main(process.argv.slice(2))
  }).then(function (code) {
    process.exit(code)
  }, function (err) {
    console.error('libp2p-rendezvous could not start: ' + err.message)
    process.exit(1)
  })
}
