import { EventEmitter } from 'node:events'
import { expect, it, vi } from 'vitest'
import { heedResubscription } from '../../src/patches/cluster.ts'

class Cluster extends EventEmitter {
  sSubscribe = vi.fn(async (channel: string, _: unknown) => {
    if (channel === 'refused') {
      throw new Error('NOPERM')
    }
  })

  _slots = { rediscover: async (..._: unknown[]): Promise<unknown> => { throw new Error('nobody answers') } }

  constructor () {
    super()
    this.on('__resubscribeListeners', () => { throw new Error('as it was') })
  }
}

it('what goes wrong when a cluster subscribes anew is told, and all else is subscribed to', async () => {
  const cluster = new Cluster()
  const errors: string[] = []
  heedResubscription(cluster, err => { errors.push(err.message) })
  const [one, two] = [() => {}, () => {}]
  cluster.emit('__resubscribeListeners', { SHARDED: new Map([['refused', { strings: new Set([one]) }], ['space', { strings: new Set([one, two]) }]]) })
  cluster.emit('__resubscribeListeners', {})
  await expect.poll(() => errors).toEqual(['NOPERM'])

  expect(cluster.sSubscribe.mock.calls).toEqual([['refused', one], ['space', one], ['space', two]])
})

it('when nobody says who has a channel now, that is told', async () => {
  const cluster = new Cluster()
  const errors: string[] = []
  heedResubscription(cluster, err => { errors.push(err.message) })
  await cluster._slots.rediscover('a node')

  expect(errors).toEqual(['nobody answers'])
})
