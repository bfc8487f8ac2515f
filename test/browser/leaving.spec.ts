import { TypedEventEmitter } from 'main-event'
import { beforeEach, describe, expect, it } from 'vitest'
import { leaving } from '../../src/browser/leaving.ts'
import type { RendezvousClient } from '../../src/index.ts'

describe('a client in a page', () => {
  let calls: string[]
  let page: EventTarget
  let client: any

  beforeEach(() => {
    calls = []
    page = new EventTarget()
    const service: any = Object.assign(new TypedEventEmitter(), {
      registrations: [{ namespace: 'one', ttl: 1_000 }, { namespace: 'two', ttl: 2_000 }, { namespace: 'one', ttl: 1_000 }],
      register: async (namespace: string, { ttl }: { ttl: number }) => { calls.push(`register ${namespace} ${ttl}`) },
      unregister: async (namespace: string) => {
        calls.push(`unregister ${namespace}`)
        throw new Error('the connection is gone')
      },
      start: async () => { calls.push('start') },
      stop: async () => { calls.push('stop') }
    })
    client = leaving(() => service as RendezvousClient, page)({} as any)
  })

  it('is unregistered when the page goes, in each namespace once', async () => {
    await client.start()
    page.dispatchEvent(new Event('pagehide'))

    expect(calls).toEqual(['start', 'unregister one', 'unregister two'])
  })

  it('is registered again, for as long as before, when the page is brought back', async () => {
    await client.start()
    page.dispatchEvent(new Event('pageshow'))
    page.dispatchEvent(new Event('pagehide'))
    page.dispatchEvent(new Event('pageshow'))
    page.dispatchEvent(new Event('pageshow'))

    expect(calls.slice(3)).toEqual(['register one 1000', 'register two 2000'])
  })

  it('listens to the page only while it runs', async () => {
    page.dispatchEvent(new Event('pagehide'))
    await client.start()
    await client.stop()
    page.dispatchEvent(new Event('pagehide'))

    expect(calls).toEqual(['start', 'stop'])
  })
})
