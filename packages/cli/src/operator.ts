import type { ClosedNamespaces } from './closed-namespaces.ts'
import type { Operator } from './http/types.ts'
import type { Fleet } from './workers/fleet.ts'
import type { RendezvousPoint } from 'libp2p-rendezvous'

/** How long workers may take to end what is to be ended, in milliseconds. */
const PATIENCE = 20_000

/** Of a point in this process. */
export function operatorOf (getPoint: () => RendezvousPoint | undefined, closed: ClosedNamespaces): Operator {
  const point = (): RendezvousPoint => {
    const point = getPoint()

    if (point == null) {
      throw new Error('the point is only starting')
    }

    return point
  }

  return {
    evict: async peer => point().evict(peer),
    close: async namespace => {
      const found = point()
      await closed.add(namespace)

      return found.closeNamespace(namespace)
    },
    open: async namespace => {
      point().openNamespace(namespace)

      return closed.delete(namespace)
    }
  }
}

/** Of a point in several processes. Those that are only being started learn what is closed when they are. */
export function operatorOfFleet (fleet: Pick<Fleet, 'ask' | 'askOne'>, closed: ClosedNamespaces): Operator {
  const ask = async <K extends 'evict' | 'close'> (about: K, what: string): Promise<number> => {
    const answers = await fleet.ask(about, what, PATIENCE)

    if (answers.some(answer => answer == null)) {
      throw new Error('not all workers have answered')
    }

    return answers.reduce<number>((sum, answer) => sum + (answer as number), 0)
  }

  return {
    evict: async peer => {
      // the one that it is connected to can tell it, and the others would be before it
      const ended = await ask('evict', `${peer}`)
      const rest = await fleet.askOne('evictAll', `${peer}`, PATIENCE)

      if (rest == null) {
        throw new Error('no worker has answered')
      }

      return ended + rest
    },
    close: async namespace => {
      await closed.add(namespace)

      return ask('close', namespace)
    },
    open: async namespace => {
      const wasClosed = await closed.delete(namespace)

      if ((await fleet.ask('open', namespace)).some(answer => answer == null)) {
        throw new Error('not all workers have answered')
      }

      return wasClosed
    }
  }
}
