import { generateKeyPair } from '@libp2p/crypto/keys'
import { describe, expect, it } from 'vitest'
import { askerOf } from '../../src/http/asker.ts'
import { prove, provedBy } from '../../src/http/proof.ts'
import { Remembered } from '../../src/http/remembered.ts'
import { Sightings } from '../../src/http/sightings.ts'
import { somebody } from './point.ts'

const NOW = 1_700_000_000_000

describe('what is remembered', () => {
  it('is made once, as long as it is asked for, and not for ever', () => {
    const made: number[] = []
    const remembered = new Remembered((key: number) => { made.push(key); return `${key}` }, () => 1, 2)

    expect([1, 1, 2, 2, 1].map(key => remembered.of(key))).toEqual(['1', '1', '2', '2', '1'])
    expect(made).toEqual([1, 2])
    // 3 has the first two be the ones before, and 5 has them gone but for 1, which was asked for
    ;[3, 1, 5, 1, 2].forEach(key => remembered.of(key))
    expect(made).toEqual([1, 2, 3, 5, 2])
  })
})

describe('sightings', () => {
  it('are of who is connected now, of who was when it left, and of who was heard', () => {
    const sightings = new Sightings()
    const node = new EventTarget() as any
    node.getPeers = () => ['alice']
    sightings.follow(node)
    sightings.follow(node)

    expect([sightings.isOnline('alice', NOW), sightings.lastSeen('alice', NOW)]).toEqual([true, NOW])
    expect([sightings.isOnline('bob', NOW), sightings.lastSeen('bob', NOW)]).toEqual([false, undefined])
    node.dispatchEvent(Object.assign(new Event('peer:connect'), { detail: 'bob' }))
    expect(sightings.isOnline('bob', NOW)).toBe(true)
    const before = Date.now()
    node.dispatchEvent(Object.assign(new Event('peer:disconnect'), { detail: 'bob' }))
    expect(sightings.lastSeen('bob', NOW)).toBeGreaterThanOrEqual(before)
    sightings.note('carol', NOW)
    expect([sightings.isOnline('carol', NOW + 89_999), sightings.isOnline('carol', NOW + 90_000)]).toEqual([true, false])
    expect(sightings.lastSeen('carol', NOW + 1_000_000)).toBe(NOW)
  })

  it('have an end', () => {
    const sightings = new Sightings(2)
    ;['a', 'b', 'c', 'd', 'e'].forEach(peer => { sightings.note(peer, NOW) })

    expect(['a', 'b', 'c', 'd', 'e'].map(peer => sightings.lastSeen(peer, NOW))).toEqual([undefined, undefined, NOW, NOW, NOW])
  })
})

describe('a proof', () => {
  const asked = { method: 'DELETE', path: '/network/a%2Fb/announce', point: '12D3KooWpoint' }

  it.each(['Ed25519', 'secp256k1', 'RSA'] as const)('may be signed with %s', async type => {
    const privateKey = type === 'RSA' ? await generateKeyPair(type, 2048) : await generateKeyPair(type as 'Ed25519')
    const keys: unknown[] = []
    const peer = await provedBy(await prove(privateKey, asked, NOW), asked, NOW + 60_000, key => { keys.push(key) })

    expect(peer.publicKey?.equals(privateKey.publicKey)).toBe(true)
    expect(keys).toHaveLength(1)
  })

  it('has no signature verified for what is wrong in itself, nor where there is no time for it', async () => {
    const { privateKey } = await somebody()
    const proof = await prove(privateKey, asked, NOW)
    const verifying = (): void => { throw new Error('verifying') }

    await expect(provedBy(proof, { ...asked, path: '/network/a/announce' }, NOW, verifying)).rejects.toThrow('the proof is for something else')
    await expect(provedBy(proof, asked, NOW + 60_001, verifying)).rejects.toThrow('the proof is of another time')
    await expect(provedBy(proof, asked, NOW, verifying)).rejects.toThrow('verifying')
  })
})

describe('who asks', () => {
  function context (remoteAddress: string, headers: Record<string, string> = {}, socket: object = { remoteAddress }): any {
    return { env: { incoming: { socket, headers } }, req: { header: (name: string) => headers[name] } }
  }

  it('is one for each connection, with its address and its token', () => {
    const asker = askerOf()
    const socket = { remoteAddress: '::ffff:192.0.2.1' }
    const first = asker(context('', { authorization: 'Bearer a-token' }, socket))

    expect(String(first.origin.remoteAddr)).toBe('/ip4/192.0.2.1/tcp/0')
    expect(first.token).toBe('a-token')
    expect(asker(context('', {}, socket)).origin).toBe(first.origin)
    expect(asker(context('', { 'x-forwarded-for': '198.51.100.7' }, socket)).origin).toBe(first.origin)
    expect(asker(context('', {}, { ...socket })).origin).not.toBe(first.origin)
    expect(String(asker(context('fe80::1%eth0')).origin.remoteAddr)).toBe('/ip6/fe80::1/tcp/0')
  })

  it('is for whom a trusted proxy asks, or the proxy, each connection by itself, where it does not say', () => {
    const asker = askerOf(['10.0.0.0/8'])
    const socket = { remoteAddress: '10.0.0.1' }
    const addressOf = (headers: Record<string, string>): string => String(asker(context('', headers, socket)).origin.remoteAddr)

    expect(addressOf({ 'x-forwarded-for': '198.51.100.7' })).toBe('/ip4/198.51.100.7/tcp/0')
    expect(addressOf({ 'x-forwarded-for': '198.51.100.8' })).toBe('/ip4/198.51.100.8/tcp/0')
    expect(addressOf({})).toBe('/ip4/10.0.0.1/tcp/0')
    expect(asker(context('10.0.0.1')).origin.id).not.toBe(asker(context('10.0.0.1')).origin.id)
  })

  it.each([
    ['Bearer abc.def', 'abc.def'],
    ['bearer  abc==', 'abc=='],
    ['Basic abc', undefined],
    ['Bearer', undefined],
    ['Bearer a b', undefined]
  ])('has the token of %s: %s', (authorization, token) => {
    expect(askerOf()(context('192.0.2.1', { authorization })).token).toBe(token)
  })
})
