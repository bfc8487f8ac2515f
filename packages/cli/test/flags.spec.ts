import { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { addFlags, address, announceAddress, count, duration, flag, flagName, hostName, hostPort, network, listenAddress, parseNamespace, pointAddress, rate, recordDomain, storeUrl } from '../src/flags.ts'

const flags = {
  data: { type: address, multiple: true, help: '' },
  minTtl: { type: duration, help: '' },
  memory: { type: flag, help: '' },
  maxNamespaces: { type: count, help: '' }
} as const

function parse (args: string[]): Command {
  return addFlags(new Command(), flags).argument('[ARGS...]').exitOverride().configureOutput({ writeErr: () => {} }).parse(args, { from: 'user' })
}

describe('flags', () => {
  it('are named as in code, with dashes', () => {
    expect(flagName('maxRegistrationsPerPeer')).to.equal('--max-registrations-per-peer')
  })

  it('are read by their types, and what was not given is absent', () => {
    const command = parse(['one', '--min-ttl', '2h', '--memory', '--max-namespaces=1_000', 'two'])

    expect(command.opts()).to.deep.equal({ minTtl: 7_200_000, memory: true, maxNamespaces: 1_000 })
    expect(command.args).to.deep.equal(['one', 'two'])
  })

  it('can be given several times where that makes sense', () => {
    const { data } = parse(['--data', '/ip4/1.2.3.4/tcp/1', '--data', '/ip4/1.2.3.4/tcp/2/ws']).opts()

    expect(data.map(String)).to.deep.equal(['/ip4/1.2.3.4/tcp/1', '/ip4/1.2.3.4/tcp/2/ws'])
  })

  it('do not show what may hold a password', () => {
    const command = addFlags(new Command(), { store: { type: storeUrl, help: '' } })

    expect(() => command.parse(['--store', 'http://:secret@example.com'], { from: 'user' })).to.throw(/^--store takes the address of a server(?!.*secret)/)
  })

  it.each([
    [['--min-ttl', '--memory'], '--min-ttl needs a value'],
    [['--min-ttl', '2'], '--min-ttl takes a duration with its unit, as in 30s, 90m, 2h or 3d, not "2"'],
    [['--max-namespaces', '0'], '--max-namespaces takes a whole number of at least 1, not "0"'],
    [['--data', 'somewhere'], '--data takes a multiaddr, not "somewhere"']
  ])('say what is wrong with the value in %j', (args, message) => {
    expect(() => parse(args)).to.throw(message).with.property('name', 'UsageError')
  })

  it.each([
    [['--nothing'], "unknown option '--nothing'"],
    [['--max-namespace', '4'], /unknown option '--max-namespace'\s+\(Did you mean --max-namespaces\?\)/],
    [['-x'], "unknown option '-x'"],
    [['--min-ttl'], "option '--min-ttl <DURATION>' argument missing"],
    [['--memory=yes'], "unknown option '--memory=yes'"]
  ])('say what is wrong with %j', (args, message) => {
    expect(() => parse(args)).to.throw(message)
  })

  it.each([
    [count, '1000', 1000],
    [count, '1_000_000', 1_000_000],
    [count, '-1', undefined],
    [count, '1.5', undefined],
    [count, '99999999999999999999', undefined],
    [rate, '500/1s', { requests: 500, interval: 1_000 }],
    [rate, 'off', false],
    [rate, '500', undefined],
    [rate, '500/1s/1s', undefined],
    [hostPort, '127.0.0.1:9464', { host: '127.0.0.1', port: 9464 }],
    [hostPort, 'localhost:0', { host: 'localhost', port: 0 }],
    [hostPort, '[::1]:80', { host: '::1', port: 80 }],
    [hostPort, '9464', { host: '127.0.0.1', port: 9464 }],
    [storeUrl, 'valkey://127.0.0.1', { url: 'redis://127.0.0.1', location: 'valkey://127.0.0.1' }],
    [storeUrl, 'redis://[::1]:7000/3', { url: 'redis://[::1]:7000/3', location: 'redis://[::1]:7000/3' }],
    [storeUrl, 'rediss://me:secret@example.com/', { url: 'rediss://me:secret@example.com/', location: 'rediss://example.com/' }],
    [storeUrl, 'valkeys://:secret@example.com', { url: 'rediss://:secret@example.com', location: 'valkeys://example.com' }],
    [storeUrl, 'http://127.0.0.1', undefined],
    [storeUrl, 'redis://127.0.0.1/name', undefined],
    [storeUrl, 'redis://', undefined],
    [hostPort, ':9464', undefined],
    [hostPort, '', undefined],
    [hostName, 'rendezvous.example.com.', 'rendezvous.example.com'],
    [hostName, 'localhost', 'localhost'],
    [hostName, 'https://example.com', undefined],
    [hostName, 'example.com:80', undefined],
    [hostName, '.', undefined],
    [hostPort, '::1:80', undefined],
    [hostPort, 'localhost:65536', undefined],
    [address, '', undefined],
    [address, '/', undefined],
    [address, '/ip4/1.2.3.4/tcp/99999', undefined],
    [listenAddress, 'foo', undefined],
    [listenAddress, '/dns4/localhost/tcp/5000', undefined],
    [listenAddress, '/ip4/127.0.0.1/udp/5000/quic-v1', undefined],
    [listenAddress, '/ip4/127.0.0.1/tcp/5000/wss', undefined],
    [recordDomain, 'libp2p-routing-state', 'libp2p-routing-state'],
    [recordDomain, 'rust', undefined],
    [announceAddress, '/ip4/1.2.3.4', undefined],
    [announceAddress, '/dns4/point.example.com', undefined],
    [announceAddress, '/ip4/1.2.3.4/tcp/0', undefined],
    [announceAddress, '/ip4/1.2.3.4/udp/4001', undefined],
    [announceAddress, '/ip4/1.2.3.4/udp/4001/p2p/12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8', undefined],
    [announceAddress, '/p2p/12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8', undefined],
    [pointAddress, '/ip4/1.2.3.4/tcp/1', undefined],
    [pointAddress, '/ip4/1.2.3.4/tcp/1/p2p/nobody', undefined],
    [pointAddress, 'nonsense', undefined]
  ])('a %o reads "%s"', (type, text, value) => {
    expect(type.parse(text)).to.deep.equal(value)
  })

  it.each(listenAddress.expected.match(/\/ip4\S+/g) ?? [])('propose %s to listen on, which is taken', example => {
    expect(String(listenAddress.parse(example))).to.equal(example)
  })

  it.each([
    '/ip4/1.2.3.4/tcp/1',
    '/dns4/point.example.com/tcp/443/wss',
    '/ip6/2001:db8::1/udp/4001/quic-v1',
    '/dnsaddr/point.example.com',
    '/ip4/1.2.3.4/tcp/1/p2p/12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8/p2p-circuit'
  ])('take %s to announce', text => {
    expect(String(announceAddress.parse(text))).to.equal(text)
  })

  it('know what a namespace may be', () => {
    expect(parseNamespace('ä'.repeat(127), '')).to.equal('ä'.repeat(127))
    expect(() => parseNamespace('ä'.repeat(128), '')).to.throw('NAMESPACE has 256 bytes of UTF-8: choose one of at most 255').with.property('name', 'UsageError')
    expect(() => parseNamespace('', 'a name is needed')).to.throw('NAMESPACE is empty: a name is needed').with.property('name', 'UsageError')
  })

  it('know the address of a point', () => {
    const text = '/dns4/rendezvous.example.com/tcp/443/wss/p2p/12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8'

    expect(String(pointAddress.parse(text))).to.equal(text)
  })
})

describe('an address or a network', () => {
  it.each(['127.0.0.1', '10.0.0.0/8', '::1', '2001:db8::/32', '0.0.0.0/0'])('is %s', text => {
    expect(network.parse(text)).to.equal(text)
  })

  it.each(['', 'localhost', '10.0.0', '10.0.0.0/33', '::1/129', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0.0/x'])('is not "%s"', text => {
    expect(network.parse(text)).to.equal(undefined)
  })
})
