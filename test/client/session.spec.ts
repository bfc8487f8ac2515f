import { StreamCloseEvent } from '@libp2p/interface'
import { describe, expect, it } from 'vitest'
import { Session } from '../../src/client/session.ts'

describe('a session whose stream ends while it is opened', () => {
  it.each([
    ['with a reason', new Error('the cable was cut'), { message: 'the cable was cut' }],
    ['without one', undefined, { name: 'StreamResetError', message: 'the point closed the stream' }]
  ])('fails with an error, not with the event that libp2p rejects with: %s', async (_, reason, error) => {
    const session = new Session({
      name: 'the point',
      timeout: 1_000,

      openStream: async () => Promise.reject(new StreamCloseEvent(true, reason))
    })

    const failure = await session.request(Uint8Array.of(1)).catch(err => err)
    expect(failure).toBeInstanceOf(Error)
    expect(failure).toMatchObject(error)
  })
})
