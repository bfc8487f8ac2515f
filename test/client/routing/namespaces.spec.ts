import { base36 } from 'multiformats/bases/base36'
import { base58btc } from 'multiformats/bases/base58'
import { base64url } from 'multiformats/bases/base64'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { sha256, sha512 } from 'multiformats/hashes/sha2'
import { peerIdFromString } from '@libp2p/peer-id'
import { describe, expect, it } from 'vitest'
import { contentNamespace, isInline, peerNamespace } from '../../../src/client/routing/namespaces.ts'
import { namespaceProblem } from '../../../src/protocol/namespace.ts'
import { makePeer } from '../../fixtures/peers.ts'

const RAW = 0x55
const DAG_PB = 0x70
const DAG_CBOR = 0x71
const bytes = new TextEncoder().encode('hello')

describe('the namespace of a block', async () => {
  const hash = await sha256.digest(bytes)
  const v0 = CID.createV0(hash)
  const expected = 'bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq'

  it('is the raw CID of version 1 in base 32 of the same multihash', () => {
    expect(CID.createV1(RAW, hash).toString()).toBe(expected)
  })

  it.each([
    ['of version 0', v0],
    ['of version 1', v0.toV1()],
    ['raw', CID.createV1(RAW, hash)],
    ['of another codec', CID.createV1(DAG_CBOR, hash)],
    ['in base 36', CID.parse(CID.createV1(DAG_PB, hash).toString(base36), base36)],
    ['in base 58', CID.parse(CID.createV1(DAG_PB, hash).toString(base58btc), base58btc)],
    ['in base 64', CID.parse(CID.createV1(RAW, hash).toString(base64url), base64url)]
  ])('is the same for a CID that is %s', (_, cid) => {
    expect(contentNamespace(cid)).toBe(expected)
  })

  it('is another for another block, and for another hash of the same', async () => {
    const others = [CID.createV0(await sha256.digest(Uint8Array.of(1))), CID.createV1(RAW, await sha512.digest(bytes))]

    expect(new Set([expected, ...others.map(contentNamespace)]).size).toBe(3)
  })

  it('can be registered, also of the longest hash', async () => {
    const longest = Digest.create(0xb240, new Uint8Array(128))

    expect(namespaceProblem(contentNamespace(CID.createV1(RAW, longest)))).toBeUndefined()
  })

  it('is of no use where the CID is the block', () => {
    expect(isInline(CID.createV1(RAW, Digest.create(0, bytes)))).toBe(true)
    expect(isInline(v0)).toBe(false)
  })
})

describe('the namespace of a peer', () => {
  it('is its id, however that was written', async () => {
    const { peerId } = await makePeer()

    expect(peerNamespace(peerId)).toMatch(/^12D3KooW/)
    expect(peerNamespace(peerIdFromString(peerId.toCID().toString()))).toBe(peerId.toString())
  })
})
