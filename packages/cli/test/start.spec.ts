import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { persistentStore } from 'libp2p-rendezvous'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openDataDirectory } from '../src/data-directory.ts'
import { build, endPrograms, Program } from './program.ts'
import type { AddressInfo } from 'node:net'

const TCP = '/ip4/127.0.0.1/tcp/0'
const MANY = 30_000
const UNLIMITED = { maxRegistrationsPerPeer: Infinity, maxRegistrationsPerNamespace: Infinity, maxNamespaces: Infinity, maxRegistrations: Infinity, maxBytes: Infinity }

let directory: string

beforeAll(build, 60_000)

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rendezvous-start-'))
})

afterEach(async () => {
  await endPrograms()
  await rm(directory, { recursive: true, force: true })
})

/** Registers very many in a data directory. */
async function fill (): Promise<void> {
  const data = await openDataDirectory(directory)
  const store = persistentStore({ datastore: data.datastore })
  await store.start?.()
  await Promise.all(Array.from({ length: MANY }, async (_, i) => store.register({
    namespace: `space-${i % 100}`,
    peer: `peer-${i}`,
    signedPeerRecord: new Uint8Array(200),
    domain: 'libp2p-peer-record',
    network: `${i}`,
    ttl: 3_600_000
  }, UNLIMITED, Date.now())))
  await store.stop?.()
  await data.close()
}

async function freePort (): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => { server.close(resolve) })

  return port
}

async function dial (port: number): Promise<string> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve('open')
    }).on('error', (err: NodeJS.ErrnoException) => { resolve(err.code ?? err.message) })
  })
}

describe('the start of a point', () => {
  it('refuses who dials at once until all registrations are read, and answers for its health meanwhile', async () => {
    await fill()
    const [port, http] = [await freePort(), await freePort()]
    const point = new Program(['point', '--json', '--listen', `/ip4/127.0.0.1/tcp/${port}`, '--data', directory, '--http', `127.0.0.1:${http}`])
    const dials = new Set<string>()
    const health = new Set<number>()
    const ready = new AbortController()
    const watching = (async () => {
      while (!ready.signal.aborted) {
        dials.add(await dial(port))
        health.add(await fetch(`http://127.0.0.1:${http}/healthz`).then(({ status }) => status, () => 0))
      }
    })()

    expect(await point.event()).to.have.property('event', 'ready')
    ready.abort()
    await watching
    expect([...dials].filter(dial => dial !== 'open')).to.deep.equal(['ECONNREFUSED'])
    expect(health).to.include(503)
    expect(await dial(port)).to.equal('open')
    const metrics = await (await fetch(`http://127.0.0.1:${http}/metrics`)).text()
    expect(metrics).to.match(new RegExp(`^libp2p_rendezvous_point_registrations ${MANY}$`, 'm'))
  }, 60_000)

  it('says how many connections it takes, as it has room for or as it is told', async () => {
    const usual = await new Program(['point', '--memory', '--json', '--listen', TCP]).event()
    const told = await new Program(['point', '--memory', '--json', '--listen', TCP, '--max-connections', '7', '--max-connection-rate', '3']).event()

    expect(usual.maxConnections).to.be.within(100, 15_000)
    expect(usual.maxConnectionRate).to.be.oneOf([25, 50])
    expect(told).to.include({ maxConnections: 7, maxConnectionRate: 3 })
  })
})
