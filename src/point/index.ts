import { RendezvousPoint as RendezvousPointClass } from './rendezvous-point.ts'
import type { RendezvousPoint, RendezvousPointComponents, RendezvousPointInit } from './types.ts'

/**
 * The service that makes a node a rendezvous point.
 *
 * @throws {InvalidParametersError} from the returned function, when an option is out of its range
 */
export function rendezvousPoint (init: RendezvousPointInit = {}): (components: RendezvousPointComponents) => RendezvousPoint {
  return (components) => new RendezvousPointClass(components, init)
}
