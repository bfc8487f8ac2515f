/** What runs in the page: who it is shows tokens to a point, and to another peer. */

import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { rendezvousClient } from '../../src/index.ts'
import { blind, createNetwork, issueToken, membership, verifyToken } from '../../src/network/index.ts'
import type { PrivateKey } from '@libp2p/interface'

const people = new Map<string, PrivateKey>()

/** Somebody in this page, by the peer id. */
export async function person (): Promise<string> {
  const privateKey = await generateKeyPair('Ed25519')
  const id = peerIdFromPrivateKey(privateKey).toString()
  people.set(id, privateKey)

  return id
}

/** What the point says to somebody who looks for others, and who is found. */
export async function discoverWith (who: string, point: string, token: string | undefined): Promise<string[] | string> {
  const node = await createLibp2p({ ...options(who), services: { identify: identify(), rendezvous: rendezvousClient({ points: [point], ...(token == null ? {} : { token }) }) } })

  try {
    const found: string[] = []

    for await (const peer of node.services.rendezvous.discover('my-app')) {
      found.push(peer.id.toString())
    }

    return found
  } catch (err: any) {
    return err.statusText ?? String(err)
  } finally {
    await node.stop()
  }
}

/** What becomes of a connection to a member. */
export async function meet (who: string, address: string, issuer: string, token: string): Promise<string> {
  const node = await createLibp2p({ ...options(who), services: { identify: identify(), members: membership({ issuers: [issuer], token }) } })

  try {
    const connection = await node.dial(multiaddr(address))
    const [result] = await Promise.allSettled([node.services.members.confirm(connection.remotePeer, { signal: AbortSignal.timeout(5_000) })])

    return result.status === 'fulfilled' ? 'member' : 'no member'
  } finally {
    await node.stop()
  }
}

/** A network that is made, used and checked in the page; and the name of a blinded namespace. */
export async function ownNetwork (who: string, secret: number[]): Promise<{ peer: string, name: string }> {
  const { id, privateKey } = await createNetwork()
  const token = await issueToken({ privateKey, peer: who })
  const { peer } = await verifyToken(token, { issuers: [id], peer: who })

  return { peer, name: String(blind(Uint8Array.from(secret))('my-app', 0)) }
}

function options (who: string): Parameters<typeof createLibp2p>[0] {
  return {
    privateKey: people.get(who) as PrivateKey,
    transports: [webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false }
  }
}
