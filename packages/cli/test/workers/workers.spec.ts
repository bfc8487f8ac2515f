import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { allEvents } from '../../../../test/fixtures/events.ts'
import { clientNode, collect, stopNodes } from '../../../../test/fixtures/nodes.ts'
import { describeServers, startServer } from '../../../valkey/test/servers.ts'
import { first, replace, second } from '../fixtures/certificates.ts'
import { build, endPrograms, ENTRY, PATIENCE, Program, run } from '../program.ts'
import type { ClientNode } from '../../../../test/fixtures/nodes.ts'
import type { Server } from '../../../valkey/test/servers.ts'
import type { Libp2pOptions } from 'libp2p'
import type { RendezvousClientInit } from 'libp2p-rendezvous'

beforeAll(build, 60_000)

describeServers(kind => {
  let directory: string
  let server: Server

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'rendezvous-'))
    server = await startServer(kind)
  })
  afterEach(async () => {
    await stopNodes()
    await endPrograms()
    await server.destroy()
    rmSync(directory, { recursive: true })
  })

  const args = (workers: number, ...more: string[]): string[] => [
    'point', '--store', server.url, '--workers', `${workers}`, '--data', join(directory, 'point'), '--json',
    '--listen', '/ip4/127.0.0.1/tcp/0', '--listen', '/ip4/127.0.0.1/tcp/0/ws', '--http', '127.0.0.1:0', ...more
  ]

  async function startPoint (workers: number, ...more: string[]): Promise<{ point: Program, overTcp: string, overWebSocket: string, http: string, pids: number[] }> {
    const point = new Program(args(workers, ...more))
    const { addresses: [overTcp, overWebSocket], http, workers: pids } = await point.event()

    return { point, overTcp, overWebSocket, http, pids }
  }

  const client = async (point: string, init: RendezvousClientInit = {}, options: Libp2pOptions = {}): Promise<ClientNode> =>
    clientNode({ points: [point], ...init }, { ...options, addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] }, transports: [tcp(), webSockets()] })

  const soon: typeof expect.poll = condition => expect.poll(condition, { timeout: PATIENCE })
  const health = async (http: string): Promise<number> => (await fetch(`${http}/healthz`)).status

  async function metric (http: string, name: string): Promise<number[]> {
    const text = await (await fetch(`${http}/metrics`)).text()

    return [...text.matchAll(new RegExp(`^libp2p_rendezvous_point_${name}\\{worker="\\d+"\\} (\\d+)$`, 'mg'))].map(([, value]) => Number(value))
  }

  function isRunning (pid: number): boolean {
    try {
      process.kill(pid, 0)

      return true
    } catch {
      return false
    }
  }

  it('are looked after as one: what all have is on one page, and what is closed is closed at each, also at one that is started later', async () => {
    const { point, overTcp, http, pids } = await startPoint(2, '--admin', '127.0.0.1:0')
    const directoryOf = ['--data', join(directory, 'point')]
    const status = async (): Promise<any> => JSON.parse((await run('admin', 'status', ...directoryOf)).stdout[0] ?? '{}')
    const clients = await Promise.all([1, 2].map(async () => client(overTcp)))
    await Promise.all(clients.map(async ({ services }) => services.rendezvous.register('chat')))
    await soon(async () => (await status()).reading).toMatchObject({ registrations: 2, connections: 2, requests: 2 })
    expect(await (await fetch(`${http}/`)).text()).toContain('<h1>Rendezvous point</h1>')
    await soon(async () => (await status()).fullest ?? (await fetch(`${http}/`)).status).toEqual([{ namespace: 'chat', registrations: 2 }])

    const [alice, bob] = clients as [ClientNode, ClientNode]
    const told = Promise.withResolvers<string>()
    alice.services.rendezvous.addEventListener('registration:failed', ({ detail }) => { told.resolve(detail.error.name) })
    // it says that it is live once it is registered
    await soon(async () => {
      if ((await run('admin', 'evict', `${alice.peerId}`, ...directoryOf)).stdout[0] === '{"ended":0}') {
        await alice.services.rendezvous.register('chat')
      }

      return Promise.race([told.promise, 'not told'])
    }).toBe('NotAuthorizedError')

    expect((await run('admin', 'close', 'chat', ...directoryOf)).stdout[0]).toMatch(/^{"ended":[12]}$/)
    await expect(bob.services.rendezvous.register('chat')).rejects.toMatchObject({ name: 'NotAuthorizedError' })
    pids.forEach(pid => { process.kill(pid, 'SIGKILL') })
    await point.until('worker:started')
    await point.until('worker:started')
    const carol = await client(overTcp)
    await expect(carol.services.rendezvous.register('chat')).rejects.toMatchObject({ name: 'NotAuthorizedError' })
    expect((await run('admin', 'open', 'chat', ...directoryOf)).stdout).toEqual(['{"wasClosed":true}'])
    await carol.services.rendezvous.register('chat')
  })

  it('share the addresses and the identity: what is registered at one is listed, watched and counted at another, and all end in order', async () => {
    const { point, overTcp, overWebSocket, http, pids } = await startPoint(3, '--presence-grace', '300ms')
    expect(new Set(pids).size).toBe(3)
    expect(await health(http)).toBe(200)

    let isOut = false
    const watcher = await client(overTcp, { discover: ['chat'] })
    await soon(async () => (await metric(http, 'subscriptions')).toSorted()).toEqual([0, 0, 1])
    const workers = new Set<number>()
    const clients: ClientNode[] = []

    // connections go to them in turns, over either transport
    for (const address of [overTcp, overTcp, overTcp, overWebSocket, overWebSocket, overWebSocket]) {
      clients.push(await client(address, { register: ['chat'] }, { connectionGater: { denyDialMultiaddr: () => isOut } }))
      const { worker, namespace } = await point.until('registration:added')
      expect(namespace).toBe('chat')
      workers.add(worker)
    }

    const ids = clients.map(({ peerId }) => String(peerId)).sort()
    expect([...workers].sort()).toEqual([1, 2, 3])
    await soon(() => watcher.services.rendezvous.discovered.map(({ id }) => String(id)).sort()).toEqual(ids)

    for (let i = 0; i < 3; i++) {
      const visitor = await client(overTcp)
      expect((await collect(visitor.services.rendezvous.discover('chat'))).map(({ id }) => String(id)).sort()).toEqual(ids)
    }

    expect(await metric(http, 'registrations')).toContain(6)

    // who is gone from its worker is told to who watches at another
    const expired = allEvents(watcher.services.rendezvous, 'peer:expired')
    const lives = (): Promise<number[]> => Promise.all(ids.map(async id => server.pointsOf('rendezvous', id)))
    await soon(lives).toEqual([1, 1, 1, 1, 1, 1])
    isOut = true
    // a WebSocket that is aborted stays open
    const lost = clients.slice(0, 3)
    lost.forEach(node => { node.getConnections().forEach(connection => { connection.abort(new Error('lost')) }) })
    await soon(() => expired.map(({ id }) => String(id)).sort()).toEqual(lost.map(({ peerId }) => String(peerId)).sort())

    const { code, took } = await point.end('SIGTERM')
    expect(code).toBe(0)
    expect(took).toBeLessThan(6_000)
    expect(point.stderr).toBe('')
    expect(point.rest.map(line => JSON.parse(line).event).filter(event => !event.startsWith('registration:'))).toEqual(['stopping', 'stopped'])
    expect(pids.filter(isRunning)).toEqual([])
  }, 3 * PATIENCE)

  it('are started again when they are killed, while the others go on and the clients come back', async () => {
    const { point, overTcp, http, pids } = await startPoint(2)
    const clients = await Promise.all([client(overTcp, { register: ['chat'] }), client(overTcp, { register: ['chat'] })])
    const [one, two] = [await point.until('registration:added'), await point.until('registration:added')]
    expect([one.worker, two.worker].sort()).toEqual([1, 2])
    process.kill(pids[0] as number, 'SIGKILL')

    const { worker, reason } = await point.until('worker:ended')
    expect([worker, reason]).toEqual([1, 'SIGKILL'])
    const other = clients.find(({ peerId }) => String(peerId) === [one, two].find(({ worker }) => worker === 2).peer)
    expect(await collect((other as ClientNode).services.rendezvous.discover('chat'))).toHaveLength(1)
    const { pid } = await point.until('worker:started')
    expect(pids).not.toContain(pid)
    await soon(async () => health(http)).toBe(200)
    await soon(() => clients.map(node => node.getConnections().length)).toEqual([1, 1])
    expect(await metric(http, 'worker_restarts_total')).toEqual([1, 0])

    for (let i = 0; i < 2; i++) {
      const visitor = await client(overTcp)
      expect(await collect(visitor.services.rendezvous.discover('chat'))).toHaveLength(2)
    }

    expect((await point.end('SIGTERM')).code).toBe(0)
    expect([...pids, pid].filter(isRunning)).toEqual([])
  }, 3 * PATIENCE)

  it('are started again less and less often where they cannot serve, and health tells', async () => {
    const { point, overTcp, http, pids } = await startPoint(2)
    await server.stop('SIGKILL')
    await soon(async () => health(http)).toBe(503)
    process.kill(pids[1] as number, 'SIGKILL')
    expect(await point.until('worker:ended')).toMatchObject({ worker: 2, reason: 'SIGKILL', message: 'Worker 2 has ended (SIGKILL), and is started again in 250ms' })
    const reason = `the store ${server.url} cannot be used: connection refused`

    for (const pause of ['500ms', '1s']) {
      expect(await point.until('worker:ended')).toMatchObject({ worker: 2, reason, message: `Worker 2 has ended (${reason}), and is started again in ${pause}` })
    }

    expect(await metric(http, 'worker_up')).toEqual([1, 0])
    await server.start()
    expect(await point.until('worker:started')).toMatchObject({ worker: 2 })
    await soon(async () => health(http)).toBe(200)
    await (await client(overTcp)).services.rendezvous.register('chat')
    expect((await point.end('SIGTERM')).code).toBe(0)
  }, 3 * PATIENCE)

  it('end with the one that started them, even if it is killed', async () => {
    const { point, pids } = await startPoint(2)
    expect(pids.filter(isRunning)).toEqual(pids)
    await point.end('SIGKILL')

    await soon(() => pids.filter(isRunning)).toEqual([])
  }, 3 * PATIENCE)

  it('end in order when a terminal sends its signal to all of them', async () => {
    const child = spawn(process.execPath, [ENTRY, ...args(2, '--quiet')], { detached: true, stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', text => { output += text })
    await soon(() => output).toContain('"ready"')
    const { workers } = JSON.parse(output)
    process.kill(-(child.pid as number), 'SIGINT')
    const [code] = await once(child, 'close')

    expect(code).toBe(0)
    expect(output.split('\n').filter(line => line !== '').map(line => JSON.parse(line).event)).toEqual(['ready', 'stopping', 'stopped'])
    expect(workers.filter(isRunning)).toEqual([])
  }, 3 * PATIENCE)

  it('have the connections together that one would have', async () => {
    const { overTcp } = await startPoint(2, '--max-connections', '2')
    const dials = []

    for (let i = 0; i < 3; i++) {
      const node = await clientNode({}, { addresses: { listen: [] }, transports: [tcp()] })
      dials.push(await node.dial(multiaddr(overTcp)).then(() => true, () => false))
    }

    expect(dials).toEqual([true, true, false])
  }, 3 * PATIENCE)

  it('let in the members of a network alone, and all of them heed a revocation', async () => {
    const at = (name: string): string => join(directory, name)
    const network = ['--network', at('network.json')]
    await run('network', 'create', ...network)
    const { peerId } = JSON.parse(String((await run('id', '--identity', at('alice.key'))).stdout[0]))
    const { stdout: [token = ''] } = await run('network', 'invite', peerId, ...network)
    const member = ['--identity', at('alice.key'), '--token', token]
    const { point, overTcp } = await startPoint(2, ...network)
    /** How each of the workers answers: connections go to them in turns. */
    const answers = async (...who: string[]): Promise<string[]> => {
      const [one, two] = [await run('discover', overTcp, 'chat', ...who), await run('discover', overTcp, 'chat', ...who)]

      return [one, two].map(({ code, stderr }) => code === 0 ? 'answered' : stderr.join('\n'))
    }

    expect(await answers(...member)).toEqual(['answered', 'answered'])
    const required = expect.stringContaining('a token of its network is required')
    expect(await answers()).toEqual([required, required])
    await run('network', 'revoke', token, ...network)
    await soon(() => [1, 2].map(worker => point.stderr.includes(`worker ${worker}: The network was read again`))).toEqual([true, true])
    const revoked = expect.stringContaining('the token has been revoked')
    expect(await answers(...member)).toEqual([revoked, revoked])
    expect(point.stderr).not.toContain(token.split('.')[1])
    expect((await point.end('SIGTERM')).code).toBe(0)

    rmSync(at('network.json'))
    expect(await run(...args(2, ...network))).toEqual({ code: 1, stdout: [], stderr: [expect.stringContaining('there is no network in')] })
  }, 6 * PATIENCE)

  it('serve one certificate, and each of them another from when it changes', async () => {
    const files = { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') }
    await replace(files, first)
    const point = new Program(args(2, '--listen', '/ip4/127.0.0.1/tcp/0/tls/ws', '--tls-cert', files.cert, '--tls-key', files.key))
    const { browsers } = await point.event()
    const port = Number(/^\/dns\/localhost\/tcp\/(\d+)\/tls\/ws\/p2p\//.exec(browsers.addresses[0])?.[1])
    const served = async (): Promise<string[]> => Promise.all(Array.from({ length: 8 }, async () => {
      const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
      await once(socket, 'secureConnect')
      const { subject } = socket.getPeerCertificate()
      socket.destroy()

      return String(subject.CN)
    }))
    expect(new Set(await served())).toEqual(new Set(['first']))

    await replace(files, second)
    await soon(async () => new Set(await served())).toEqual(new Set(['second']))
    await soon(() => point.stderr.split('\n').toSorted().slice(1)).toEqual([1, 2].map(worker => `worker ${worker}: The certificate was read again, because it has changed: ${files.cert}`))
  }, 3 * PATIENCE)

  it('say once what is in the way of all', async () => {
    const pair = await run(...args(3, '--listen', '/ip4/127.0.0.1/tcp/0/tls/ws', '--tls-cert', first.cert, '--tls-key', second.key))
    expect(pair).toEqual({ code: 1, stdout: [], stderr: [`libp2p-rendezvous: the private key in ${second.key} is not that of the certificate in ${first.cert}: give two that belong together with --tls-cert and --tls-key`] })
    const wrong = await run(...args(3, '--max-namespace-length', '300'))
    expect(wrong).toEqual({ code: 2, stdout: [], stderr: ['libp2p-rendezvous: --max-namespace-length must be at most 255, or cookies would not fit'] })
    await server.stop('SIGKILL')
    expect(await run(...args(3))).toEqual({ code: 1, stdout: [], stderr: [`libp2p-rendezvous: the store ${server.url} cannot be used: connection refused`] })
  }, 3 * PATIENCE)
}, ['Valkey 9'])
