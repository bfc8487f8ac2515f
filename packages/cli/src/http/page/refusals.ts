import { clean } from '../../output.ts'
import type { RefusedRequest } from './status.ts'
import type { DiscoverRejectedDetail, RegistrationRejectedDetail, RendezvousPoint } from 'libp2p-rendezvous'

/** As many as are shown. */
const REMEMBERED = 50

/** Characters of what a peer has written: a namespace may have been refused because it is too long. */
const MAX_LENGTH = 255

/** The last requests that a point has refused. */
export class LastRefusals {
  readonly #refusals: RefusedRequest[] = []

  /** @param now - milliseconds since the epoch */
  follow (point: Pick<RendezvousPoint, 'addEventListener'>, now: () => number = Date.now): void {
    point.addEventListener('registration:rejected', ({ detail }) => { this.#add('register', detail, now()) })
    point.addEventListener('discover:rejected', ({ detail }) => { this.#add('discover', detail, now()) })
  }

  /** The newest first. */
  get all (): RefusedRequest[] {
    return [...this.#refusals].reverse()
  }

  #add (action: RefusedRequest['action'], { peer, namespace, status, statusText }: RegistrationRejectedDetail | DiscoverRejectedDetail, at: number): void {
    this.#refusals.push({
      at,
      action,
      namespace: namespace == null ? null : shortened(namespace),
      status,
      text: shortened(statusText),
      ...(peer == null ? {} : { peer: peer.toString() })
    })

    if (this.#refusals.length > REMEMBERED) {
      this.#refusals.shift()
    }
  }
}

/** The last of several processes, the newest first. */
export function lastOf (lists: RefusedRequest[][]): RefusedRequest[] {
  return lists.flat().sort((a, b) => b.at - a.at).slice(0, REMEMBERED)
}

function shortened (text: string): string {
  return clean(text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text)
}
