import { RendezvousClient as RendezvousClientClass } from './rendezvous-client.ts'
import type { RendezvousClient, RendezvousClientComponents, RendezvousClientInit } from './types.ts'

/**
 * The service that lets a node register with rendezvous points and find peers there.
 *
 * @throws {InvalidParametersError} from the returned function, when an option is out of its range
 */
export function rendezvousClient (init: RendezvousClientInit = {}): (components: RendezvousClientComponents) => RendezvousClient {
  return (components) => new RendezvousClientClass(components, init)
}
