import type { RendezvousClient, RendezvousClientComponents } from '../client/types.ts'
import type { Startable } from '@libp2p/interface'

/** Where a page says that it goes, and that it is back. */
type Page = Pick<EventTarget, 'addEventListener' | 'removeEventListener'>

type Service = RendezvousClient & Startable

/**
 * A client that is unregistered when its page goes, so that others need not wait until they notice, and registered
 * again should the page be brought back from where browsers keep it for a while.
 *
 * @param page - the window
 */
export function leaving (service: (components: RendezvousClientComponents) => RendezvousClient, page: Page): (components: RendezvousClientComponents) => RendezvousClient {
  return components => {
    const client = service(components) as Service
    let left = new Map<string, number>()

    const onHide = (): void => {
      left = new Map(client.registrations.map(({ namespace, ttl }) => [namespace, ttl]))
      // who hears it hears it; nobody is here to see to what goes wrong
      left.forEach((_, namespace) => { client.unregister(namespace).catch(() => {}) })
    }

    const onShow = (): void => {
      // what goes wrong is told by an event
      left.forEach((ttl, namespace) => { client.register(namespace, { ttl }).catch(() => {}) })
      left.clear()
    }

    const { start, stop } = client
    client.start = async () => {
      page.addEventListener('pagehide', onHide)
      page.addEventListener('pageshow', onShow)
      await start.call(client)
    }
    client.stop = async () => {
      page.removeEventListener('pagehide', onHide)
      page.removeEventListener('pageshow', onShow)
      await stop.call(client)
    }

    return client
  }
}
