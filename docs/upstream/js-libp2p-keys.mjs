// What making a key object costs beside using it: node js-libp2p-keys.mjs
import { createPrivateKey, sign } from 'node:crypto'
import { generateKeyPair } from '@libp2p/crypto/keys'

const RUNS = 5_000
const message = new Uint8Array(100)
const key = await generateKeyPair('Ed25519')
const object = createPrivateKey({
  format: 'jwk',
  key: { kty: 'OKP', crv: 'Ed25519', d: Buffer.from(key.raw.subarray(0, 32)).toString('base64url'), x: Buffer.from(key.publicKey.raw).toString('base64url') }
})

function timed (run) {
  for (let i = 0; i < RUNS; i++) { run() }

  const { user, system } = process.threadCpuUsage()

  for (let i = 0; i < RUNS; i++) { run() }

  const after = process.threadCpuUsage()

  return ((after.user + after.system - user - system) / RUNS).toFixed(0)
}

console.log(`a signature: ${timed(() => key.sign(message))} µs; with a key object that is kept: ${timed(() => sign(null, message, object))} µs`)
