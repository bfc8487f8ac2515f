import { readFile } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'

/** Packages that the numbers depend on. */
const PACKAGES = ['libp2p', '@libp2p/tcp', '@libp2p/noise', '@libp2p/yamux', 'datastore-level']

/** What the numbers were measured on, in general words. */
export async function machine (): Promise<string> {
  const versions = await Promise.all(PACKAGES.map(async name => `${name} ${await versionOf(name)}`))

  return `Measured on ${availableParallelism()} cores (${process.platform}, ${process.arch}) with ${Math.round(totalmem() / 2 ** 30)} GiB of memory; Node.js ${process.versions.node}, ${versions.join(', ')}.`
}

async function versionOf (name: string): Promise<string> {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url)

  return JSON.parse(await readFile(file, 'utf8')).version
}
