import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tcp } from '@libp2p/tcp'
import { createClient } from '@redis/client'
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { clientNode, collect, stopNodes } from '../../../test/fixtures/nodes.ts'
import { forward } from '../../valkey/test/forward.ts'
import { describeServers, startCluster, startServer } from '../../valkey/test/servers.ts'
import { build, endPrograms, Program, run } from './program.ts'
import type { AddressInfo } from 'node:net'
import type { Server } from '../../valkey/test/servers.ts'

beforeAll(build, 60_000)

describeServers(kind => {
  let directory: string
  let server: Server | undefined
  let points = 0

  beforeEach(() => { directory = mkdtempSync(join(tmpdir(), 'rendezvous-')) })
  afterEach(async () => {
    await stopNodes()
    await endPrograms()
    await server?.destroy()
    rmSync(directory, { recursive: true })
  })

  const args = (url: string, ...more: string[]): string[] =>
    ['point', '--store', url, '--data', join(directory, `${++points}`), '--listen', '/ip4/127.0.0.1/tcp/0', ...more]

  it('a point says in one line why its store cannot be used, and no password', async () => {
    server = await startServer(kind, '--requirepass', 'correct')
    const { port } = server
    const file = join(directory, 'password')
    writeFileSync(file, 'someone:secret\n')
    const connected = `valkey://127.0.0.1:${port}`

    for (const [given, message] of [
      [args('valkey://someone:secret@127.0.0.1:1'), 'the store valkey://127.0.0.1:1 cannot be used: connection refused'],
      [args('valkey://:secret@127.0.0.1:1', '--store', 'valkey://127.0.0.1:2'), 'the store valkey://127.0.0.1:1, valkey://127.0.0.1:2 cannot be used: connection refused'],
      [args(`valkey://:secret@127.0.0.1:${port}`), `the store ${connected} cannot be used: it does not know this user with this password`],
      [args(connected, '--store-password', file), `the store ${connected} cannot be used: it does not know this user with this password`],
      [args(connected), `the store ${connected} cannot be used: a password is needed: give it in the URL, or with --store-password PATH`],
      [args(connected, '--store-password', `${file}s`), `the password of the store cannot be read from ${file}s: no such file or directory`],
      [[...args(connected), '--memory'].filter(arg => arg !== '--data' && !arg.startsWith(directory)), '--memory keeps nothing, and --store says where to keep it: give one of them']
    ] as const) {
      const { code, stdout, stderr } = await run(...given)
      expect([code === 0, stdout]).toEqual([false, []])
      expect(stderr.join('\n')).toContain(message)
      expect(stderr.join('\n')).not.toContain('secret')
    }
  }, 60_000)

  it('a point says in one line what has to be changed at the server of its store', async () => {
    server = await startServer(kind, '--requirepass', 'secret', '--maxmemory-policy', 'allkeys-lru')
    const { port } = server
    const store = `the store valkey://127.0.0.1:${port} cannot be used`
    const client = await createClient({ url: `redis://:secret@127.0.0.1:${port}` }).connect()
    const start = async (): Promise<string[]> => (await run(...args(`valkey://:secret@127.0.0.1:${port}`))).stderr

    expect(await start()).toEqual([`libp2p-rendezvous: ${store}: the server removes keys by itself when it is full (maxmemory-policy allkeys-lru), and noeviction is needed`])
    await client.configSet('maxmemory-policy', 'noeviction')
    await client.hSet('{rendezvous}', 'form', '99')
    expect(await start()).toEqual([`libp2p-rendezvous: ${store}: what is stored under "{rendezvous}" is of another version of this package`])
    client.destroy()
  }, 60_000)

  it.runIf(kind === 'Valkey 9')('a point says in one line that the server of its store is too old', async () => {
    const old = createServer(socket => {
      socket.on('error', () => {})
      socket.on('data', data => {
        // an answer for each command that there is in it
        for (const command of data.toString().split(/^\*\d+\r\n/m).slice(1)) {
          const info = 'redis_version:6.2.14\r\nmaxmemory_policy:noeviction'
          socket.write(command.includes('HELLO') ? '%1\r\n$5\r\nproto\r\n:3\r\n' : /\r\nINFO\r\n/.test(command) ? `$${info.length}\r\n${info}\r\n` : '+OK\r\n')
        }
      })
    })
    await new Promise<void>(resolve => { old.listen(0, '127.0.0.1', resolve) })
    const { port } = old.address() as AddressInfo
    expect((await run(...args(`valkey://:secret@127.0.0.1:${port}`))).stderr).toEqual([`libp2p-rendezvous: the store valkey://127.0.0.1:${port} cannot be used: the server is of version 6.2.14, and 7 or newer is needed`])
    old.close()
  }, 60_000)

  it('the points of a store divide it into as many parts, or are told in one line', async () => {
    server = await startServer(kind)
    const { url } = server
    const point = new Program(args(url, '--partitions', '4', '--json'))
    const { addresses: [address] } = await point.until('ready')
    const client = await clientNode({ points: [address] }, { addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] }, transports: [tcp()] })

    for (let i = 0; i < 12; i++) {
      await client.services.rendezvous.register(`space-${i}`)
    }

    expect((await server.ask('KEYS', '*:registrations')).sort()).toEqual(['{rendezvous:1}:registrations', '{rendezvous:2}:registrations', '{rendezvous:3}:registrations', '{rendezvous}:registrations'])
    const begun = (wanted: number): string => `libp2p-rendezvous: the store ${url} cannot be used: what is stored under "{rendezvous}" was begun with another number of partitions (4, not ${wanted}), which cannot be changed: give --partitions 4, or another database`

    for (const [more, code, message] of [
      [[], 1, begun(1)],
      [['--partitions', '8'], 1, begun(8)],
      [['--partitions', '8', '--workers', '2'], 1, begun(8)],
      [['--partitions', '65'], 2, 'libp2p-rendezvous: --partitions has to be a number from 1 to 64, not 65']
    ] as const) {
      expect(await run(...args(url, ...more))).toEqual({ code, stdout: [], stderr: [message] })
    }

    expect(await point.end('SIGTERM')).toMatchObject({ code: 0 })
  }, 60_000)

  it('a point that is given a primary and its replica goes to the one that takes over, and health tells meanwhile', async () => {
    server = await startServer(kind, '--repl-diskless-sync-delay', '0')
    const replica = await startServer(kind, '--repl-diskless-sync-delay', '0', '--replicaof', '127.0.0.1', `${server.port}`)

    try {
      await expect.poll(async () => String(await replica.ask('INFO', 'replication')), { timeout: 10_000 }).toContain('master_link_status:up')
      // of these one is the primary, whatever their order
      const point = new Program(args(replica.url, '--store', server.url, '--json', '--http', '127.0.0.1:0'))
      const { addresses: [address], http } = await point.until('ready')
      const overTcp = { addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] }, transports: [tcp()] }
      const client = await clientNode({ points: [address] }, overTcp)
      const health = async (): Promise<number> => (await fetch(`${http}/healthz`)).status
      await client.services.rendezvous.register('space')
      expect(await health()).toBe(200)
      await expect.poll(async () => replica.ask('HEXISTS', '{rendezvous}:payers', 'space'), { timeout: 10_000 }).toBe(1)
      // nobody has taken over yet
      await server.ask('REPLICAOF', '127.0.0.1', '1')
      await expect(client.services.rendezvous.register('other')).rejects.toMatchObject({ name: 'UnavailableError' })
      expect(await health()).toBe(503)
      await replica.ask('REPLICAOF', 'NO', 'ONE')
      await expect.poll(health, { timeout: 10_000 }).toBe(200)
      await client.services.rendezvous.register('other')
      expect(await collect((await clientNode({ points: [address] }, overTcp)).services.rendezvous.discover('space'))).toHaveLength(1)
      expect(point.stderr).toContain(`the store ${replica.url}, ${server.url} does not answer: the server is a replica, and the primary is needed`)
      expect(await point.end('SIGTERM')).toMatchObject({ code: 0 })
    } finally {
      await replica.destroy()
    }
  }, 60_000)

  it.runIf(kind === 'Valkey 9')('a point is given some nodes of a cluster', async () => {
    const cluster = await startCluster(kind)

    try {
      const [one, two, three] = cluster.servers.map(({ port }) => `valkey://127.0.0.1:${port}`) as [string, string, string]
      const point = new Program(args(one, '--store', two, '--store', three, '--partitions', '4', '--json'))
      const { addresses: [address] } = await point.until('ready')
      // which is one says each of them
      const other = new Program(args(two, '--partitions', '4', '--json'))
      await other.until('ready')
      expect(await other.end('SIGTERM')).toMatchObject({ code: 0 })
      expect((await run(...args(two))).stderr).toEqual([expect.stringContaining(`the store ${two} cannot be used: what is stored under "{rendezvous}" was begun with another number of partitions (4, not 1)`)])
      const client = await clientNode({ points: [address] }, { addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] }, transports: [tcp()] })
      await client.services.rendezvous.register('space')
      expect(await point.until('registration:added')).toMatchObject({ namespace: 'space' })
      expect(await point.end('SIGTERM')).toMatchObject({ code: 0 })
    } finally {
      await cluster.destroy()
    }
  }, 120_000)

  it('clients of a point that is killed come to another of the same identity by themselves, and stay registered', async () => {
    server = await startServer(kind)
    const [first, second] = [args(server.url, '--json'), args(server.url, '--json')]
    const [one, two] = [first, second].map(args => args[args.indexOf('--data') + 1]) as [string, string]
    const { peerId } = JSON.parse(String((await run('id', '--data', one)).stdout[0]))
    mkdirSync(two)
    copyFileSync(join(one, 'identity.key'), join(two, 'identity.key'))
    const [killed, left] = [new Program(first), new Program(second)]
    const ports = (await Promise.all([killed, left].map(async point => point.until('ready')))).map(({ addresses: [address] }) => Number(/tcp\/(\d+)\/p2p\/(\S+)/.exec(address)?.[1]))
    // what a name or a balancer does
    const address = await forward(ports[0] as number)

    try {
      const overTcp = { addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] }, transports: [tcp()] }
      const points = [`/ip4/127.0.0.1/tcp/${address.port}/p2p/${peerId}`]
      const client = await clientNode({ points, register: ['kept'] }, overTcp)
      expect(await killed.until('registration:added')).toMatchObject({ namespace: 'kept' })
      const lives = async (): Promise<number | undefined> => server?.pointsOf('rendezvous', String(client.peerId))
      await expect.poll(lives, { timeout: 10_000 }).toBe(1)
      address.to(ports[1] as number)
      killed.signal('SIGKILL')

      // the one that was killed counts for some minutes
      await expect.poll(lives, { timeout: 20_000 }).toBe(2)
      await client.services.rendezvous.register('more')
      expect(await left.until('registration:added')).toMatchObject({ namespace: 'more', peer: String(client.peerId) })
      expect(await collect((await clientNode({ points }, overTcp)).services.rendezvous.discover('kept'))).toHaveLength(1)
    } finally {
      await address.close()
    }
  }, 60_000)

  it('a point that is killed loses nothing that it acknowledged: another has it, and health tells when the store is away', async () => {
    server = await startServer(kind, '--requirepass', 'correct')
    const file = join(directory, 'password')
    writeFileSync(file, 'correct\n')
    const [one, two] = [new Program(args(server.url, '--store-password', file, '--json')), new Program(args(server.url, '--store-password', file, '--json', '--quiet', '--http', '127.0.0.1:0'))]
    const [{ addresses: [first] }, { addresses: [second], http }] = [await one.until('ready'), await two.until('ready')]
    const overTcp = { addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] }, transports: [tcp()] }
    const client = await clientNode({ points: [first, second] }, overTcp)
    const acknowledged: string[] = []
    const attempts = Array.from({ length: 60 }, async (_, i) => {
      await client.services.rendezvous.register(`space-${i}`, { point: first })
      acknowledged.push(`space-${i}`)

      if (acknowledged.length === 20) {
        one.signal('SIGKILL')
      }
    })
    await Promise.allSettled(attempts)
    expect(acknowledged.length).toBeGreaterThanOrEqual(20)

    const visitor = await clientNode({ points: [second] }, overTcp)

    for (const namespace of acknowledged) {
      expect(await collect(visitor.services.rendezvous.discover(namespace)), namespace).toHaveLength(1)
    }

    // what it keeps is registered at the other, too
    await client.services.rendezvous.register('kept', { point: second })
    expect(await collect(visitor.services.rendezvous.discover('kept'))).toHaveLength(1)

    const health = async (): Promise<number> => (await fetch(`${http}/healthz`)).status
    expect(await health()).toBe(200)
    await server.stop('SIGKILL')
    await expect.poll(health, { timeout: 10_000 }).toBe(503)
    await server.start()
    await expect.poll(health, { timeout: 10_000 }).toBe(200)
    expect(two.stderr).toMatch(new RegExp(`the store ${server.url} does not answer`))
    expect(await two.end('SIGTERM')).toMatchObject({ code: 0 })
  }, 60_000)
})
