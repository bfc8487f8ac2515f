import { peerIdFromString } from '@libp2p/peer-id'
import { TypedEventEmitter } from 'main-event'
import { Status } from 'libp2p-rendezvous'
import { describe, expect, it } from 'vitest'
import { LastRefusals, lastOf } from '../../../src/http/page/refusals.ts'
import type { RendezvousPointEvents } from 'libp2p-rendezvous'

const peer = peerIdFromString('12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8')

function refusals (): { last: LastRefusals, refuse: (at: number, namespace?: string, type?: 'registration:rejected' | 'discover:rejected') => void } {
  const point = new TypedEventEmitter<RendezvousPointEvents>()
  const last = new LastRefusals()
  let now = 0
  last.follow(point, () => now)

  return {
    last,
    refuse: (at, namespace, type = 'registration:rejected') => {
      now = at
      point.safeDispatchEvent(type, { detail: { peer, namespace, status: Status.E_INVALID_TTL, statusText: 'too short' } as any })
    }
  }
}

describe('the last refusals', () => {
  it('say who was refused what, when and why, the newest first', () => {
    const { last, refuse } = refusals()
    refuse(1, 'my-app')
    refuse(2, undefined, 'discover:rejected')

    expect(last.all).toEqual([
      { at: 2, action: 'discover', namespace: null, status: 'E_INVALID_TTL', text: 'too short', peer: peer.toString() },
      { at: 1, action: 'register', namespace: 'my-app', status: 'E_INVALID_TTL', text: 'too short', peer: peer.toString() }
    ])
  })

  it('are fifty, and short, whatever peers send', () => {
    const { last, refuse } = refusals()

    for (let i = 0; i < 200; i++) {
      refuse(i, `\u001b${'x'.repeat(15_000)}`)
    }

    expect(last.all).toHaveLength(50)
    expect(last.all[0]?.at).toBe(199)
    expect(last.all[0]?.namespace).toMatch(/^ ?x+…$/)
    expect(last.all[0]?.namespace?.length).toBeLessThan(260)
  })

  it('of several processes are the last of all of them', () => {
    const refused = (at: number): any => ({ at })

    expect(lastOf([[refused(5), refused(1)], [refused(7), refused(3)]]).map(({ at }) => at)).toEqual([7, 5, 3, 1])
    expect(lastOf([Array.from({ length: 50 }, (_, at) => refused(at)), [refused(100)]])).toHaveLength(50)
  })
})
