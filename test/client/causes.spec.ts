import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { causeOfNoAddress, causeOfNoPoint } from '../../src/client/causes.ts'
import type { Unreached } from '../../src/client/causes.ts'

const elsewhere = { isBrowser: false, isSecurePage: false }
const page = { isBrowser: true, isSecurePage: false }
const securePage = { isBrowser: true, isSecurePage: true }

function point (error?: string, ...addresses: string[]): Unreached {
  return {
    addresses: addresses.map(address => multiaddr(address)),
    error: error == null ? undefined : Object.assign(new Error(`it is a ${error}`), { name: error })
  }
}

describe('why no point is reached', () => {
  it('is that there is none', () => {
    expect(causeOfNoPoint([], elsewhere)).toEqual({ what: 'points', cause: 'no-points', reason: 'No point was given, and no connected peer is one', errors: [] })
  })

  it('is the gater where it refused all addresses, which libp2p\'s own does in pages', () => {
    const unreachable = causeOfNoPoint([point('DialDeniedError')], page)

    expect(unreachable).toMatchObject({ cause: 'gater', errors: [{ name: 'DialDeniedError' }] })
    expect(unreachable.reason).toMatch(/in a page, libp2p refuses private addresses and ws:\/\/ unless connectionGater.denyDialMultiaddr/)
    expect(causeOfNoPoint([point('DialDeniedError')], elsewhere).reason).not.toMatch(/page/)
  })

  it('is the transports where none dials such an address', () => {
    expect(causeOfNoPoint([point('NoValidAddressesError')], page)).toMatchObject({ cause: 'transport' })
  })

  it.each([
    ['insecure-address', securePage, ['/dns4/example.com/tcp/80/ws']],
    ['dial', securePage, ['/dns4/example.com/tcp/80/ws', '/dns4/example.com/tcp/443/wss']],
    ['dial', securePage, ['/dns4/example.com/tcp/443/tls/ws']],
    ['dial', securePage, []],
    ['dial', page, ['/dns4/example.com/tcp/80/ws']]
  ] as const)('is %s, in %j, at %j', (cause, surroundings, addresses) => {
    expect(causeOfNoPoint([point('Error', ...addresses)], surroundings)).toMatchObject({ cause })
  })

  it('is what libp2p says where nothing else is known, and nothing while it has said nothing', () => {
    expect(causeOfNoPoint([point('Error')], page).reason).toBe('No point answers: it is a Error')
    expect(causeOfNoPoint([point()], page)).toEqual({ what: 'points', cause: 'dial', reason: 'No point answers', errors: [] })
  })

  it('is what most points have in common', () => {
    const { cause, errors } = causeOfNoPoint([point('Error'), point('DialDeniedError'), point('DialDeniedError')], page)

    expect([cause, errors.length]).toEqual(['gater', 3])
  })
})

describe('why there is no own address', () => {
  const circuit = [multiaddr('/p2p-circuit'), multiaddr('/webrtc')]

  it.each([
    ['not-listening', { listens: [], addresses: [], hasRelay: true }],
    ['unconfirmed', { listens: [multiaddr('/ip4/192.0.2.1/tcp/1')], addresses: [], hasRelay: false }],
    ['no-relay', { listens: circuit, addresses: [], hasRelay: false }],
    ['relay-full', { listens: circuit, addresses: [], hasRelay: true }],
    ['address-filter', { listens: circuit, addresses: [multiaddr('/ip4/127.0.0.1/tcp/1')], hasRelay: true }]
  ])('is %s', (cause, own) => {
    expect(causeOfNoAddress(own)).toEqual({ what: 'self', cause, reason: expect.stringMatching(/^[A-Z].*[a-z]$/), errors: [] })
  })
})
