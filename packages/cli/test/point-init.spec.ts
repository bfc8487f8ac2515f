import { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { addFlags, flagName } from '../src/flags.ts'
import { inFlags, lifetimes, limitFlags, pointInit } from '../src/point-init.ts'
// not for the program to import: only to compare with
import { pointSettings } from '../../../src/point/settings.ts'

const fromArgs = (...args: string[]): object => pointInit(addFlags(new Command(), limitFlags).parse(args, { from: 'user' }).opts())

describe("a point's options from flags", () => {
  it('leave to the point what was not given', () => {
    expect(fromArgs()).to.deep.equal({})
  })

  it('are all there is', () => {
    expect(fromArgs(
      '--min-ttl', '1h', '--default-ttl', '3h', '--max-ttl', '48h', '--max-registrations', '1', '--max-registrations-per-peer', '2',
      '--max-registrations-per-namespace', '3', '--max-namespaces', '4', '--max-namespace-length', '5', '--max-discover-limit', '6',
      '--max-message-size', '7', '--request-timeout', '8s', '--idle-timeout', '9s', '--rate-limit', '10/11s',
      '--presence-grace', '13s', '--max-subscriptions', '14', '--max-subscriptions-per-connection', '15', '--max-subscriptions-per-stream', '16',
      '--max-inbound-streams', '12', '--protocol', '/private/1.0.0'
    )).to.deep.equal({
      minTtl: 3_600_000,
      defaultTtl: 10_800_000,
      maxTtl: 172_800_000,
      maxRegistrations: 1,
      maxRegistrationsPerPeer: 2,
      maxRegistrationsPerNamespace: 3,
      maxNamespaces: 4,
      maxNamespaceLength: 5,
      maxDiscoverLimit: 6,
      maxMessageSize: 7,
      requestTimeout: 8_000,
      idleTimeout: 9_000,
      rateLimit: { requests: 10, interval: 11_000 },
      presence: { grace: 13_000 },
      maxSubscriptions: 14,
      maxSubscriptionsPerConnection: 15,
      maxSubscriptionsPerStream: 16,
      maxInboundStreams: 12,
      protocol: '/private/1.0.0'
    })
  })

  it('can turn the rate limit off', () => {
    expect(fromArgs('--rate-limit', 'off')).to.deep.equal({ rateLimit: false })
  })

  it('can let registrations last whoever is connected', () => {
    expect(fromArgs('--presence-grace', 'off')).to.deep.equal({ presence: false })
  })

  it('know every number that a point has, with the default it has', () => {
    // maxInboundStreams is libp2p's; the others are for those who write a program of their own
    const { watch, shedding, keepBothForms, matchReaders, identifyPatience, presence, ...others } = pointSettings({})
    const settings: Record<string, any> = { ...others, presenceGrace: presence !== false && presence.grace, maxInboundStreams: 32 }
    expect([watch, shedding, keepBothForms, matchReaders, identifyPatience]).to.deep.equal([true, false, true, true, 1_000])

    for (const [key, flag] of Object.entries(limitFlags)) {
      expect(flag.type.parse(flag.default), flagName(key)).to.deep.equal(settings[key])
    }

    expect(Object.keys(limitFlags)).to.have.members(Object.keys(settings))
  })

  it.each([
    [['--min-ttl', '3h', '--max-ttl', '2h'], '--min-ttl (3h) is longer than --max-ttl (2h): lower --min-ttl or raise --max-ttl'],
    [['--default-ttl', '3h', '--max-ttl', '2h'], '--default-ttl (3h) is longer than --max-ttl (2h): lower --default-ttl or raise --max-ttl'],
    [['--min-ttl', '3h', '--default-ttl', '2h'], '--min-ttl (3h) is longer than --default-ttl (2h): lower --min-ttl or raise --default-ttl'],
    [['--default-ttl', '1h'], '--default-ttl (1h) is shorter than --min-ttl (2h): give --min-ttl 1h, too'],
    [['--default-ttl', '30m', '--max-ttl', '1h'], '--default-ttl (30m) is shorter than --min-ttl (1h): give --min-ttl 30m, too'],
    [['--default-ttl', '96h'], '--default-ttl (4d) is longer than --max-ttl (3d): give --max-ttl 4d, too']
  ])('refuse lifetimes that contradict each other, and say what to change: %j', (args, message) => {
    expect(() => fromArgs(...args)).to.throw(message).with.property('name', 'UsageError')
  })

  it.each([
    [{ partitions: 4 }, '--partitions divide a store that points share: give --store valkey://HOST, too'],
    [{ workers: 4 }, '--workers share a store, which has to be one for several processes: give --store valkey://HOST, too']
  ])('refuse what makes no sense without a store that is shared: %j', (values, message) => {
    expect(() => pointInit(values)).to.throw(message).with.property('name', 'UsageError')
    expect(pointInit({ ...values, store: [] })).to.deep.equal({})
  })

  it.each([{}, { minTtl: 30_000 }, { maxTtl: 3_600_000 }, { minTtl: 345_600_000 }, { minTtl: 1_000, defaultTtl: 2_000 }, { maxTtl: 3_600_000, defaultTtl: 3_600_000 }])('make those that were not given make way, as the point does: %j', given => {
    const { minTtl, defaultTtl, maxTtl } = pointSettings(given)

    expect(lifetimes(given)).to.deep.equal({ minTtl, defaultTtl, maxTtl })
  })

  it.each([
    [['--idle-timeout', '40d'], '--idle-timeout must be at most 24d20h31m23s647ms, not 40d'],
    [['--rate-limit', '5/40d'], '--rate-limit needs at least 1 request and an interval of at most 24d20h31m23s647ms, not 5/40d']
  ])('are complained of in their units: %j', (args, message) => {
    let problem = ''

    try {
      pointSettings(fromArgs(...args))
    } catch (err: any) {
      problem = inFlags(err.message)
    }

    expect(problem).to.equal(message)
  })

  it('are spoken of as flags', () => {
    expect(inFlags('maxMessageSize must be at most 10, notAnOption aside')).to.equal('--max-message-size must be at most 10, notAnOption aside')
  })
})
