import { describe, expect, it } from 'vitest'
import { filterAddresses, parseFilter, wantsUnknownProtocols } from '../../src/http/filters.ts'

const TCP = ['ip4', 'tcp']
const WSS = ['dns4', 'tcp', 'tls', 'ws']
const QUIC = ['ip6', 'udp', 'quic-v1']

describe('filter-addrs', () => {
  it.each<[string | undefined, string[][] | undefined]>([
    [undefined, [TCP, WSS, QUIC]],
    ['', [TCP, WSS, QUIC]],
    ['ws', [WSS]],
    ['WS,Quic-V1', [WSS, QUIC]],
    ['tcp,!tls', [TCP]],
    ['!ip6', [TCP, WSS]],
    ['!ip6,!tcp', undefined],
    ['webtransport', undefined],
    [' ws , ', [WSS]],
    ['unknown', undefined],
    ['unknown,ws', [WSS]]
  ])('%s leaves %j', (text, left) => {
    const all = [TCP, WSS, QUIC]
    const isWanted = filterAddresses(all, parseFilter(text))

    expect(isWanted == null ? undefined : all.filter((_, index) => isWanted[index])).toEqual(left)
  })

  it('leaves a peer without addresses only where that is wanted', () => {
    expect(filterAddresses([], parseFilter('unknown,tcp'))).toEqual([])
    expect(filterAddresses([], parseFilter('tcp'))).toBeUndefined()
    expect(filterAddresses([], undefined)).toEqual([])
  })
})

it.each([
  [undefined, true],
  ['unknown', true],
  ['transport-bitswap,UNKNOWN', true],
  ['transport-bitswap', false]
])('filter-protocols %s has peers whose protocols nobody knows: %s', (text, wanted) => {
  expect(wantsUnknownProtocols(parseFilter(text))).toBe(wanted)
})
