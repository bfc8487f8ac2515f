import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { tokenSource } from '../src/token.ts'
import { build, endPrograms, Program, run } from './program.ts'

const dirs: string[] = []

async function newDirectory (): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'network-'))
  dirs.push(dir)

  return dir
}

beforeAll(build, 120_000)
afterEach(async () => {
  await endPrograms()
  await Promise.all(dirs.splice(0).map(async dir => rm(dir, { recursive: true })))
})

describe('network', () => {
  it('makes a network, invites, and revokes, and a running point heeds it', async () => {
    const dir = await newDirectory()
    const at = (name: string): string => join(dir, name)
    const network = ['--network', at('network.json')]
    const [made] = (await run('network', 'create', ...network)).stdout
    const { network: id, key } = JSON.parse(String(made))
    expect(key).toBe(at('network.key'))
    expect(await Promise.all(['network.json', 'network.key'].map(async name => (await stat(at(name))).mode & 0o777))).toEqual([0o600, 0o600])
    expect(await run('network', 'create', ...network)).toMatchObject({ code: 1 })

    const { peerId } = JSON.parse(String((await run('id', '--identity', at('alice.key'))).stdout[0]))
    const { stdout: [token = ''] } = await run('network', 'invite', peerId, '--namespace', 'my-*', '--lifetime', '2h', ...network)
    await writeFile(at('alice.token'), `${token}\n`)
    const inspected = await run('network', 'inspect', `@${at('alice.token')}`, ...network)
    expect([inspected.code, JSON.parse(String(inspected.stdout[0]))]).toMatchObject([0, { network: id, peer: peerId, namespaces: ['my-*'], actions: ['register', 'discover'], isGood: true }])

    const byFile = new Program(['point', '--memory', '--listen', '/ip4/127.0.0.1/tcp/0', '--json', ...network])
    const byKey = new Program(['point', '--memory', '--listen', '/ip4/127.0.0.1/tcp/0', '--json', '--network', id])
    const [{ addresses: [point] }, { addresses: [other] }] = await Promise.all([byFile.event(), byKey.event()])
    const member = ['--identity', at('alice.key'), '--token', `@${at('alice.token')}`]

    expect(await run('discover', point, 'my-app', ...member)).toMatchObject({ code: 0 })
    expect(await run('discover', other, 'my-app', ...member)).toMatchObject({ code: 0 })
    const stranger = await run('discover', point, 'my-app')
    expect([stranger.code, stranger.stderr.join()]).toEqual([1, expect.stringContaining('a token of its network is required')])
    const elsewhere = await run('discover', point, 'others', ...member)
    expect([elsewhere.code, elsewhere.stderr.join()]).toEqual([1, expect.stringContaining('does not allow this namespace')])

    expect(await run('network', 'revoke', `@${at('alice.token')}`, ...network)).toMatchObject({ code: 0 })
    expect((await stat(at('network.json'))).mode & 0o777).toBe(0o600)
    await expect.poll(() => byFile.stderr, { timeout: 20_000 }).toContain('The network was read again')
    const revoked = await run('discover', point, 'my-app', ...member)
    expect([revoked.code, revoked.stderr.join()]).toEqual([1, expect.stringContaining('the token has been revoked')])
    expect(JSON.parse(String((await run('network', 'inspect', `@${at('alice.token')}`, ...network)).stdout[0]))).toMatchObject({ isGood: false, problem: 'the token has been revoked' })

    // what cannot be read changes nothing
    await writeFile(at('network.json'), '{')
    await expect.poll(() => byFile.stderr, { timeout: 20_000 }).toContain('The network was not read again')
    expect(await run('discover', point, 'my-app', ...member)).toMatchObject({ code: 1 })
    expect(`${byFile.stderr}${stranger.stderr}${revoked.stderr}`).not.toContain(token.split('.')[1])
  }, 120_000)

  it('says in one line what is in the way', async () => {
    const dir = await newDirectory()
    await writeFile(join(dir, 'other.json'), '{}')

    for (const [args, says, code] of [
      [['network', 'invite', 'x', '--network', join(dir, 'none.json')], 'PEER takes a peer id', 2],
      [['network', 'inspect', 'eyJ.secret.part'], 'the token is malformed', 1],
      [['network', 'rule'], 'ACTION takes create, invite, inspect or revoke', 2],
      [['network', 'revoke'], 'needs a peer id', 2],
      [['network', 'revoke', 'one', '--network', join(dir, 'other.json')], 'is not the file of a network', 1],
      [['network', 'revoke', 'one', '--network', join(dir, 'none.json')], 'there is no network in', 1],
      [['point', '--memory', '--network', join(dir, 'none.json')], 'there is no network in', 1]
    ] as const) {
      const { code: ended, stderr } = await run(...args)
      expect([ended, stderr.length, stderr[0]], args.join(' ')).toEqual([code, 1, expect.stringContaining(says)])
      expect(stderr[0]).not.toContain('secret')
    }
  }, 60_000)
})

describe('a token for a command', () => {
  it('may be in a file, which is read each time, or in the environment', async () => {
    const file = join(await newDirectory(), 'token')
    await writeFile(file, ' one\n')
    const source = tokenSource(`@${file}`, {}) as () => Promise<string>
    expect(await source()).toBe('one')
    await writeFile(file, 'two')
    expect(await source()).toBe('two')
    await rm(file)
    await expect(source()).rejects.toThrow('cannot be read')

    expect([tokenSource('one', {}), tokenSource(undefined, { LIBP2P_RENDEZVOUS_TOKEN: 'two' }), tokenSource('one', { LIBP2P_RENDEZVOUS_TOKEN: 'two' }), tokenSource(undefined, { LIBP2P_RENDEZVOUS_TOKEN: '' })]).toEqual(['one', 'two', 'one', undefined])
    expect(await readFile(new URL('../README.md', import.meta.url), 'utf8')).toContain('LIBP2P_RENDEZVOUS_TOKEN')
  })
})
