import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { isOwnHost, namesOf } from '../../src/http/hosts.ts'

const NAMES = new Set(['rendezvous.example.com'])

describe('a host', () => {
  it.each(['127.0.0.1:9464', '192.0.2.1', '[::1]:9464', '[2001:db8::1]', 'localhost', 'localhost:9464', 'here.localhost', 'rendezvous.example.com', 'Rendezvous.Example.com.:443'])('%s is the own', host => {
    expect(isOwnHost(host, NAMES)).toBe(true)
  })

  it.each(['example.com', 'evil.rendezvous.example.com', 'rendezvous.example.com.evil.example', 'localhost.evil.example', 'a:b:c', '', undefined, '127.0.0.1.evil.example'])('%s is a stranger\'s', host => {
    expect(isOwnHost(host, NAMES)).toBe(false)
  })
})

it('names are those that were given, and of what is announced those of DNS, in lower case', () => {
  const addresses = ['/dns4/Rendezvous.example.com/tcp/443/wss', '/dns/other.example.com/tcp/1', '/ip4/192.0.2.1/tcp/1']

  expect([...namesOf({ httpHost: ['Here.example'], announce: addresses.map(address => multiaddr(address)) })]).toEqual(['here.example', 'rendezvous.example.com', 'other.example.com'])
  expect(namesOf({}).size).toBe(0)
})
