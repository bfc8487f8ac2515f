import { describe, expect, it } from 'vitest'
import { askerBehind, networkOfIp, plainIp } from '../../src/http/addresses.ts'

describe('an address', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::1', '::1']
  ])('%s is plainly %s', (address, plain) => {
    expect(plainIp(address)).toBe(plain)
  })

  it.each([
    ['198.51.100.7', '198.51.100'],
    ['::ffff:198.51.100.7', '198.51.100'],
    ['2001:db8:7:8::9', '2001:db8:7'],
    ['2001:db8::9', '2001:db8:0'],
    ['2001:0db8:0007:0:0:0:0:9', '2001:db8:7'],
    ['1::2:3:4:5:6:7', '1:0:2'],
    ['::1', '0:0:0'],
    ['', '']
  ])('%s is of the network %s', (address, network) => {
    expect(networkOfIp(address)).toBe(network)
  })
})

describe('who asks', () => {
  it('is who has the connection, whatever is said, where no proxy is trusted', () => {
    expect(askerBehind([])('::ffff:192.0.2.1', '198.51.100.7')).toBe('192.0.2.1')
    expect(askerBehind(['10.0.0.0/8'])('192.0.2.1', '198.51.100.7')).toBe('192.0.2.1')
  })

  it.each([
    ['the address that a proxy has added', '198.51.100.7', '198.51.100.7'],
    ['the last one, for who asks writes what he likes before it', '203.0.113.1, 198.51.100.7', '198.51.100.7'],
    ['the last one before proxies', '203.0.113.1, 198.51.100.7, 10.1.1.1,2001:db8::1', '198.51.100.7'],
    ['of IPv6, too', '2001:db8:1::7', '2001:db8:1::7'],
    ['not known where no proxy has said it', undefined, undefined],
    ['not known where all that is said is proxies', '10.0.0.2', undefined],
    ['not known where it is no address', '198.51.100.7, somebody', undefined]
  ])('is %s', (_, forwarded, asker) => {
    expect(askerBehind(['10.0.0.0/8', '2001:db8::1'])('10.0.0.1', forwarded)).toBe(asker)
  })
})
