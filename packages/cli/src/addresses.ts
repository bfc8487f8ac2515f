import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { publicAddresses } from 'libp2p-rendezvous'
import { UsageError } from './failures.ts'
import type { RendezvousClientInit } from 'libp2p-rendezvous'
import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** Whose address it is, when its end says so. */
export function peerIdIn (address: Multiaddr): PeerId | undefined {
  const last = address.getComponents().at(-1)

  return last?.name === 'p2p' ? peerIdFromString(String(last.value)) : undefined
}

/** An address that can be dialled by itself: it says who has to answer there. */
export function withPeerId (address: Multiaddr, id: PeerId): Multiaddr {
  return peerIdIn(address) == null ? address.encapsulate(multiaddr(`/p2p/${id}`)) : address
}

/** Which addresses of others are shown: those that lead into the open internet, unless all are asked for or the point is on a private one. */
export function discoverFilter ({ allAddresses }: { allAddresses?: boolean }): Pick<RendezvousClientInit, 'discoverFilter'> {
  return allAddresses === true ? { discoverFilter: () => true } : { discoverFilter: publicAddresses }
}

/**
 * Clients would look for another peer at an address that ends in another peer id.
 *
 * @throws {UsageError}
 */
export function checkAnnounced (addresses: Multiaddr[], self: PeerId): void {
  for (const address of addresses) {
    if (peerIdIn(address)?.equals(self) === false) {
      throw new UsageError(`--announce ${address} ends in another peer id than this one's, ${self}: leave out /p2p/ and what follows`)
    }
  }
}
