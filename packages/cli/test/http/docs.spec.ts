import { execFile } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { prove } from '../../src/http/proof.ts'
import { ROOT } from '../program.ts'
import { ask, closeHttpPoints, httpPoint, somebody } from './point.ts'

const run = promisify(execFile)
const readme = await readFile(join(ROOT, 'packages/cli/README.md'), 'utf8')
const docs = await readFile(join(ROOT, 'docs/http.md'), 'utf8')

afterEach(closeHttpPoints)

describe('the README', () => {
  const [, section = ''] = /\n## Over HTTP\n(.*?)\n## /s.exec(readme) ?? []
  const examples = [...section.matchAll(/```shell\n(.*?)```/gs)].flatMap(([, block = '']) => block.replaceAll('\\\n', '').trim().split('\n'))

  it('has examples for all that can be asked', () => {
    expect(examples.length).toBeGreaterThan(5)

    for (const path of ['/routing/v1/peers', '/routing/v1/providers', '/active-peers', '/peer/', '/announce', '/events', '/coordinator/heartbeat', '/openapi.json']) {
      expect(section).toContain(path)
    }
  })

  it('has examples that work as they are written', async () => {
    const point = await httpPoint()
    const alice = await somebody()
    const proof = async (method: string, path: string): Promise<string> => prove(alice.privateKey, { method, path, point: point.node.peerId.toString() }, Date.now())
    const env = {
      ...process.env,
      POINT: point.url,
      PEER: alice.id,
      CID: 'bafkreiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354',
      RECORD: await alice.record()
    }

    for (const line of examples) {
      const [, method = 'GET'] = /-X (\w+)/.exec(line) ?? []
      const [, path = ''] = /\$POINT([^"?]*)/.exec(line) ?? []
      // an event stream goes on for as long as somebody listens
      const { stdout } = await run('bash', ['-c', line.replace('curl', 'curl --silent --show-error --fail-with-body --max-time 2')], { env: { ...env, PROOF: await proof(method, path) } }).catch(err => {
        if (line.includes('/events') && err.code === 28) {
          return err as { stdout: string }
        }

        throw new Error(`${line}\n${err.stdout}\n${err.stderr}`)
      })

      if (line.includes('/events')) {
        expect(stdout).toMatch(/^event: update$/m)
      } else if (method !== 'DELETE') {
        expect(() => JSON.parse(stdout.split('\n')[0] ?? ''), line).not.toThrow()
      }
    }
  }, 60_000)
})

it('docs/http.md has an example that announces a peer as it is written', async () => {
  const [, example = ''] = /```js\n(.*?)```/s.exec(docs) ?? []
  const point = await httpPoint()
  // where the packages are found
  const file = join(ROOT, `packages/cli/test/http/.announce-${process.pid}.mjs`)
  await writeFile(file, example)

  try {
    const { stdout } = await run(process.execPath, [file, point.url, point.node.peerId.toString()])
    const [, peer = ''] = /peerId: '(\w+)'/.exec(stdout) ?? []

    expect((await ask(`${point.url}/network/my-app/peer/${peer}`)).json).toMatchObject({ peerId: peer, addresses: ['/ip4/192.0.2.1/tcp/4001'] })
  } finally {
    await rm(file)
  }
}, 60_000)
