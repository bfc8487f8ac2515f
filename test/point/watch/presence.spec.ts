import { describe, expect, it } from 'vitest'
import { Presence } from '../../../src/point/watch/presence.ts'

describe('presence', () => {
  it('gives up a live peer when it has been away for the grace', () => {
    const presence = new Presence(60)
    presence.say('p', true)
    presence.left('p', 100)

    expect(presence.due).toBe(160)
    expect(presence.take(159)).toEqual([])
    expect(presence.take(160)).toEqual(['p'])
    expect(presence.take(1_000)).toEqual([])
    expect(presence.due).toBeUndefined()
    expect(presence.isLive('p')).toBe(false)
  })

  it('keeps a peer that never said it is live, or took it back', () => {
    const presence = new Presence(60)
    presence.left('p', 100)
    presence.say('q', true)
    presence.say('q', false)
    presence.left('q', 100)

    expect(presence.due).toBeUndefined()
    expect(presence.take(1_000)).toEqual([])
  })

  it('keeps a peer that is back within the grace, and goes on taking it for live', () => {
    const presence = new Presence(60)
    presence.say('p', true)
    presence.left('p', 100)
    presence.connected('p')
    expect(presence.take(1_000)).toEqual([])

    presence.left('p', 1_000)
    expect(presence.take(1_059)).toEqual([])
    expect(presence.take(1_060)).toEqual(['p'])
  })

  it('counts from the last time a peer left', () => {
    const presence = new Presence(60)
    presence.say('p', true)
    presence.say('q', true)
    presence.left('p', 100)
    presence.left('q', 110)
    presence.connected('p')
    presence.left('p', 120)

    expect(presence.due).toBe(170)
    expect(presence.take(170)).toEqual(['q'])
    expect(presence.take(180)).toEqual(['p'])
  })

  it('gives up nobody whose connection the point ended itself', () => {
    const presence = new Presence(60)
    presence.say('p', true)
    presence.say('q', true)
    presence.dismissed('p')
    presence.left('p', 100)
    // as libp2p has it: the connection ends first
    presence.left('q', 100)
    presence.dismissed('q')

    expect(presence.take(1_000)).toEqual([])
  })

  it('knows nobody after it was cleared', () => {
    const presence = new Presence(60)
    presence.say('p', true)
    presence.say('q', true)
    presence.left('q', 0)
    presence.clear()
    presence.left('p', 0)

    expect(presence.take(1_000)).toEqual([])
  })
})
