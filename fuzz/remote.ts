import { Uint8ArrayList } from 'uint8arraylist'
import { RemotePoint } from '../src/client/remote-point.ts'
import { RendezvousError } from '../src/protocol/errors.ts'
import type { PeerId } from '@libp2p/interface'

/** A point whose every response is this. */
export function pointThatSays (peerId: PeerId, response: Uint8Array): RemotePoint {
  const turn = { request: async () => new Uint8ArrayList(response), tell: async () => {}, reset: () => {} }

  return new RemotePoint(peerId, {
    isIdle: true,
    step: async (work: any) => work(turn),
    close: () => {}
  } as any, () => undefined, (() => {}) as any)
}

/** What comes of asking a point; undefined when it is refused as it is to be. */
export async function refused <T> (ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (err: any) {
    if (err.name !== 'ProtocolError' && !(err instanceof RendezvousError)) {
      throw err
    }
  }
}
