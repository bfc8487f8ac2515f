import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { publicAddresses } from '../../src/client/addresses.ts'
import { clientSettings } from '../../src/client/settings.ts'
import { rendezvousClient } from '../../src/index.ts'

const ID = '12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq'

describe('the init of a client', () => {
  afterEach(() => { vi.unstubAllGlobals() })

  it('has these defaults', () => {
    const { addressFilter, ...settings } = clientSettings({})

    expect(settings).toEqual({
      points: [],
      register: [],
      discover: [],
      autoDial: 0,
      discoverFilter: undefined,
      ttl: 2 * 60 * 60 * 1000,
      autoRefresh: true,
      live: true,
      refreshBuffer: 5 * 60 * 1000,
      discoverInterval: 60 * 1000,
      recordDomain: 'libp2p-peer-record',
      bothForms: true,
      routing: false,
      registries: [],
      timeout: 10 * 1000,
      protocol: '/rendezvous/1.0.0'
    })
    expect(addressFilter(multiaddr('/ip4/127.0.0.1/tcp/1'))).toBe(true)
  })

  it('refuses addresses that are not public by default in a browser alone', () => {
    vi.stubGlobal('location', { href: 'https://example.org' })

    expect(clientSettings({}).discoverFilter).toBe(publicAddresses)
  })

  it('registers and discovers in namespaces, and does one of the two in register and discover', () => {
    expect(clientSettings({ namespaces: ['both'], register: ['here', 'both'], discover: ['there', 'there'] })).toMatchObject({
      register: ['both', 'here'],
      discover: ['both', 'there']
    })
  })

  it.each([
    ['nonsense', /^points\[1\] .*nonsense/],
    ['/ip4/192.0.2.1/tcp/1', /^points\[1\] .*\/ip4\/192.0.2.1\/tcp\/1/],
    [ID, /^points\[1\] .*peer id/]
  ])('names the option in which %s is no address of a point', (point, message) => {
    expect(() => clientSettings({ points: [`/ip4/192.0.2.1/tcp/1/p2p/${ID}`, point] })).toThrow(message)
  })

  it.each(['points', 'namespaces', 'register', 'discover', 'registries'])('names the option %s when it is not a list', option => {
    expect(() => clientSettings({ [option]: 'foo' })).toThrow(expect.objectContaining({ name: 'InvalidParametersError', message: `${option} must be a list, not foo` }))
  })

  it('takes for a registry what its API is below', () => {
    const registries = ['https://example.org', 'http://192.0.2.1:8080/api', 'https://example.org/api/?a#b']

    expect(clientSettings({ routing: true, registries }).registries.map(String)).toEqual(['https://example.org/', 'http://192.0.2.1:8080/api/', 'https://example.org/api/'])
  })

  it.each(['nonsense', 'ftp://example.org', '/ip4/192.0.2.1/tcp/1', 'https://name@example.org', 'https://:secret@example.org', ''])('names the option in which %s is no URL of a registry', url => {
    expect(() => clientSettings({ routing: true, registries: ['https://example.org', url] })).toThrow(expect.objectContaining({ name: 'InvalidParametersError', message: expect.stringMatching(/^registries\[1\] must be a URL/) }))
  })

  it('refuses registries that nobody would ask', () => {
    expect(() => clientSettings({ registries: ['https://example.org'] })).toThrow(expect.objectContaining({ name: 'InvalidParametersError', message: expect.stringContaining('routing: true') }))
  })

  it('takes addresses of points as text and as multiaddrs', () => {
    const address = `/ip4/192.0.2.1/tcp/1/p2p/${ID}`

    expect(clientSettings({ points: [address, multiaddr(address)] }).points.map(String)).toEqual([address, address])
  })

  it.each([
    ['a point that is no address', { points: ['nonsense'] }],
    ['a point that is only a peer id', { points: [ID] }],
    ['a point of an unknown protocol', { points: [`/carrier-pigeon/1/p2p/${ID}`] }],
    ['a point without a peer id', { points: ['/ip4/192.0.2.1/tcp/1'] }],
    ['a point that does not end in a peer id', { points: [`/p2p/${ID}/p2p-circuit`] }],
    ['a point that is not even text', { points: [7 as any] }],
    ['an empty namespace', { namespaces: [''] }],
    ['a namespace of 256 bytes', { namespaces: ['é'.repeat(128)] }],
    ['a namespace with half a character', { namespaces: ['\ud800'] }],
    ['a namespace that is not text', { namespaces: [7 as any] }],
    ['an empty namespace to register in', { register: [''] }],
    ['an empty namespace to discover in', { discover: [''] }],
    ...['ttl', 'refreshBuffer', 'discoverInterval', 'timeout'].flatMap(name => [0, -1, NaN, Infinity, 1e300, '1000'].map(value => [`${name} ${value}`, { [name]: value }] as [string, any])),
    ...[-1, 0.5, NaN, Infinity, '1'].map(value => [`autoDial ${value}`, { autoDial: value }] as [string, any]),
    ['a record domain that nobody knows', { recordDomain: 'libp2p' as any }],
    ['a discoverInterval that no timer can wait for', { discoverInterval: 2 ** 31 }],
    ['a timeout that no timer can wait for', { timeout: 2 ** 31 }]
  ])('is refused with %s, when the node is made', (_, init) => {
    expect(() => rendezvousClient(init)({} as any)).toThrow(expect.objectContaining({ name: 'InvalidParametersError' }))
  })
})
