import { once } from 'node:events'
import { createServer } from 'node:http'
import { peerIdFromString } from '@libp2p/peer-id'
import { base64url } from 'multiformats/bases/base64'
import { CID } from 'multiformats/cid'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Registry } from '../../../src/client/routing/registry.ts'
import { collect } from '../../fixtures/nodes.ts'
import { makePeers, seal } from '../../fixtures/peers.ts'
import type { NamedPeer } from '../../../src/client/routing/registry.ts'
import type { Peer } from '../../fixtures/peers.ts'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const JSON_TYPE = 'application/json'
const LINES_TYPE = 'application/x-ndjson'
const cid = CID.parse('QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn')

describe('a registry', () => {
  let server: Server
  let url: URL
  let alice: Peer
  let bob: Peer
  let requests: IncomingMessage[]
  let answer: (response: ServerResponse, request: IncomingMessage) => unknown

  beforeEach(async () => {
    [alice, bob] = await makePeers(2) as [Peer, Peer]
    requests = []
    server = createServer((request, response) => {
      requests.push(request)
      response.on('error', () => {})
      answer(response, request)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/api/`)
  })

  afterEach(async () => {
    server.closeAllConnections()
    server.close()
  })

  function registry (timeout = 5_000): Registry {
    return new Registry(url, timeout)
  }

  function findPeer (timeout?: number, signal = new AbortController().signal): AsyncGenerator<NamedPeer> {
    return registry(timeout).findPeer(alice.peerId, signal)
  }

  function findProviders (timeout?: number): AsyncGenerator<NamedPeer> {
    return registry(timeout).findProviders(cid, new AbortController().signal)
  }

  function record ({ peerId }: Peer = alice, fields: object = {}): object {
    return { Schema: 'peer', ID: peerId.toString(), Addrs: ['/ip4/192.0.2.1/tcp/1'], ...fields }
  }

  const lines = (...records: unknown[]): string => records.map(record => `${JSON.stringify(record)}\n`).join('')

  function answers (type: string, body: string | Uint8Array, status = 200): void {
    answer = response => { response.writeHead(status, { 'content-type': type }).end(body) }
  }

  const idsOf = (named: NamedPeer[]): string[] => named.map(({ peerId }) => peerId.toString())

  describe('that is asked', () => {
    it('is asked for a peer as the API has it', async () => {
      answers(JSON_TYPE, JSON.stringify({ Peers: [record()] }))
      const [named] = await collect(findPeer())

      expect(requests.map(({ url, method }) => [method, url])).toEqual([['GET', `/api/routing/v1/peers/${alice.peerId.toCID()}`]])
      expect(requests[0]?.headers).toMatchObject({ accept: 'application/x-ndjson, application/json;q=0.9' })
      expect(named).toEqual({ peerId: alice.peerId, multiaddrs: [expect.anything()] })
      expect(named?.multiaddrs.map(String)).toEqual(['/ip4/192.0.2.1/tcp/1'])
    })

    it('is asked for providers by a CID of version 1', async () => {
      answers(JSON_TYPE, JSON.stringify({ Providers: [record(), record(bob)] }))

      expect(idsOf(await collect(findProviders()))).toEqual([alice, bob].map(({ peerId }) => peerId.toString()))
      expect(requests[0]?.url).toBe(`/api/routing/v1/providers/${cid.toV1()}`)
    })

    it('names each peer when its line has come, in however many pieces', async () => {
      const isRead = Promise.withResolvers<void>()
      answer = async response => {
        response.writeHead(200, { 'content-type': `${LINES_TYPE}; charset=utf-8` })

        for (const byte of new TextEncoder().encode(lines(record(), record(bob)).slice(0, -1))) {
          response.write(Uint8Array.of(byte))
          await new Promise(resolve => { setImmediate(resolve) })

          if (byte === 10) {
            await isRead.promise
          }
        }

        response.end()
      }
      const found = findProviders()

      expect((await found.next()).value?.peerId.toString()).toBe(alice.peerId.toString())
      isRead.resolve()
      expect((await found.next()).value?.peerId.toString()).toBe(bob.peerId.toString())
      expect((await found.next()).done).toBe(true)
    })

    it('takes an id in any of its forms', async () => {
      const rsa = peerIdFromString('QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N')
      answers(LINES_TYPE, lines(record(alice, { ID: alice.peerId.toCID().toString() }), record(bob, { ID: rsa.toString() })))

      expect(idsOf(await collect(findProviders()))).toEqual([alice.peerId.toString(), rsa.toString()])
    })

    it('gives the envelope instead of the addresses where there is one', async () => {
      const envelope = await seal(alice)
      answers(JSON_TYPE, JSON.stringify({ Peers: [record(alice, { SignedPeerRecord: base64url.encode(envelope) })] }))

      expect(await collect(findPeer())).toEqual([{ peerId: alice.peerId, multiaddrs: [], envelope }])
    })

    it.each([['{"Peers":null}', 200], ['{"Peers":[]}', 200], ['{}', 200], ['null', 200], ['7', 200], ['not found', 404]])('knows nobody when it says %s with %i', async (body, status) => {
      answers(JSON_TYPE, body, status)

      expect(await collect(findPeer())).toEqual([])
    })

    it('leaves out providers without an address no more than others: they can be looked for', async () => {
      answers(LINES_TYPE, lines(record(alice, { Addrs: undefined }), record(bob, { Addrs: [] })))

      expect((await collect(findProviders())).map(({ multiaddrs }) => multiaddrs)).toEqual([[], []])
    })
  })

  describe('that is hostile', () => {
    it.each<[string, unknown]>([
      ['no object', 7],
      ['null', null],
      ['a list', []],
      ['of another schema', { Schema: 'bitswap' }],
      ['without an id', { ID: undefined }],
      ['with an id that is no text', { ID: {} }],
      ['with an id that is none', { ID: '12D3KooW' }],
      ['with an id that is no hash', { ID: 'hello' }],
      ['with an id without end', { ID: `1${'2'.repeat(100_000)}` }],
      ['with a record that is no text', { SignedPeerRecord: 7 }],
      ['with a record in another base', { SignedPeerRecord: 'mAAAA' }],
      ['with a record that is not in its base', { SignedPeerRecord: 'u+/!' }],
      ['with a record that is too large', { SignedPeerRecord: `u${'A'.repeat(5_500)}` }]
    ])('is not believed where it names somebody with a record that is %s', async (_, fields) => {
      const bad = fields !== null && typeof fields === 'object' && !Array.isArray(fields) ? record(alice, fields) : fields
      answers(JSON_TYPE, JSON.stringify({ Providers: [bad, record(bob)] }))

      expect(idsOf(await collect(findProviders()))).toEqual([bob.peerId.toString()])
    })

    it('is not believed where it names others than the one that is looked for', async () => {
      answers(LINES_TYPE, lines(record(bob), record(alice)))

      expect(idsOf(await collect(findPeer()))).toEqual([alice.peerId.toString()])
    })

    it('is not believed where its addresses are none, or somebody else\'s', async () => {
      answers(LINES_TYPE, lines(record(alice, {
        Addrs: [7, null, 'nonsense', '/carrier-pigeon/1', `/ip4/192.0.2.2/tcp/2/p2p/${bob.peerId}`, `/dns/${'a'.repeat(2_000)}/tcp/1`, '/dns/a\u001b[2J/tcp/1', `/ip4/192.0.2.3/tcp/3/p2p/${alice.peerId}`]
      })))
      const [named] = await collect(findPeer())

      expect(named?.multiaddrs.map(String)).toEqual([`/ip4/192.0.2.3/tcp/3/p2p/${alice.peerId}`])
    })

    it('has no more than 64 addresses of a peer taken from it, and no more than 100 peers', async () => {
      const Addrs = Array.from({ length: 1_000 }, (_, port) => `/ip4/192.0.2.1/tcp/${port + 1}`)

      for (const [type, body] of [[LINES_TYPE, lines(...Array.from({ length: 150 }, () => record(alice, { Addrs: Addrs.slice(0, 3) })))], [JSON_TYPE, JSON.stringify({ Providers: Array.from({ length: 150 }, () => record()) })]] as const) {
        answers(type, body)
        expect(await collect(findProviders())).toHaveLength(100)
      }

      answers(JSON_TYPE, JSON.stringify({ Peers: [record(alice, { Addrs })] }))
      expect((await collect(findPeer()))[0]?.multiaddrs).toHaveLength(64)
    })

    it.each<[string, string, string, number]>([
      ['of another type', 'text/html', '<html>', 200],
      ['without a type', '', '{"Peers":[]}', 200],
      ['of a server that fails', JSON_TYPE, '{"Peers":[]}', 500],
      ['of a server that has no such API', JSON_TYPE, '{"Peers":[]}', 501],
      ['that is no JSON', JSON_TYPE, '{"Peers":', 200],
      ['that is empty', JSON_TYPE, '', 200],
      ['that is nested without end', JSON_TYPE, '['.repeat(1_000_000), 200],
      ['of lines that are no JSON', LINES_TYPE, '{"Schema":\n"peer"}', 200]
    ])('is a failure with an answer %s', async (_, type, body, status) => {
      answer = response => { response.writeHead(status, type === '' ? {} : { 'content-type': type }).end(body) }

      await expect(collect(findPeer())).rejects.toThrow(expect.objectContaining({ name: 'ProtocolError' }))
    })

    it('has named before it failed whom it named in time', async () => {
      answers(LINES_TYPE, `${lines(record())}nonsense`)
      const found = findPeer()

      expect((await found.next()).value?.peerId.toString()).toBe(alice.peerId.toString())
      await expect(found.next()).rejects.toThrow(expect.objectContaining({ name: 'ProtocolError' }))
    })

    it('is not followed elsewhere', async () => {
      answer = (response, { url }) => url?.startsWith('/api') === true
        ? response.writeHead(302, { location: '/elsewhere' }).end()
        : response.writeHead(200, { 'content-type': JSON_TYPE }).end(JSON.stringify({ Peers: [record()] }))

      await expect(collect(findPeer())).rejects.toThrow()
      expect(requests).toHaveLength(1)
    })

    it.each([JSON_TYPE, LINES_TYPE])('is read no further than a mebibyte of %s, and hung up on', async type => {
      let sent = 0
      const hungUp = new Promise(resolve => {
        answer = response => {
          response.writeHead(200, { 'content-type': type })
          response.on('close', resolve)
          const piece = ' '.repeat(65_536)
          const write = (): void => {
            while (!response.destroyed && response.write(piece)) {
              sent += piece.length
            }
          }
          response.on('drain', write)
          write()
        }
      })

      await expect(collect(findPeer())).rejects.toThrow(/more than 1048576 bytes/)
      await hungUp
      expect(sent).toBeLessThan(64 * 1024 * 1024)
    })

    it('is not waited for any longer than a request may take, whether it says nothing or ever more', async () => {
      for (const says of [false, true]) {
        const hungUp = new Promise(resolve => {
          answer = response => {
            const timer = setInterval(() => { says && response.write('\n') }, 10)
            response.on('close', () => { resolve(clearInterval(timer)) })

            if (says) {
              response.writeHead(200, { 'content-type': LINES_TYPE }).flushHeaders()
            }
          }
        })

        await expect(collect(findPeer(200))).rejects.toThrow(expect.objectContaining({ name: 'TimeoutError' }))
        await hungUp
      }
    })

    it('is hung up on when nobody wants more of it, or the caller aborts', async () => {
      const hungUp = new Promise(resolve => {
        answer = response => {
          response.writeHead(200, { 'content-type': LINES_TYPE }).write(lines(record()))
          response.on('close', resolve)
        }
      })
      const found = findPeer()
      await found.next()
      await found.return(undefined)
      await hungUp

      const caller = new AbortController()
      answer = () => { caller.abort() }
      await expect(collect(findPeer(5_000, caller.signal))).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }))
    })

    it('is a failure when there is no server', async () => {
      server.close()
      server.closeAllConnections()

      await expect(collect(findPeer())).rejects.toThrow()
    })
  })

  it.each([
    ['http://192.0.2.1:8080', '/ip4/192.0.2.1'],
    ['https://[2001:db8::1]/', '/ip6/2001:db8::1'],
    ['https://example.org', '/dns/example.org']
  ])('is at an address, as far as %s says', (url, address) => {
    expect(new Registry(new URL(url), 1).address.toString()).toBe(address)
  })
})
