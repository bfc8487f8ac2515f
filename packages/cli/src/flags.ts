import { isIP } from 'node:net'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { Option } from 'commander'
import { parseDuration } from './durations.ts'
import { UsageError } from './failures.ts'
import type { RecordDomain } from 'libp2p-rendezvous'
import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Command } from 'commander'

/** What a flag takes. */
export interface FlagType<T> {
  /** How help names the value; none for a flag that takes no value. */
  placeholder?: string
  /** The value, or undefined when the text is none. */
  parse: (text: string) => T | undefined
  /** What would have been right, for the message. */
  expected: string
  /** The text may hold a password, and is not shown. */
  isSecret?: boolean
}

export interface Flag<T = any> {
  type: FlagType<T>
  help: string
  /** As help shows it. */
  default?: string
  /** Whether it may be given several times; its value is an array then. */
  multiple?: boolean
}

/** The flags of a command by the names they have in code; `minTtl` is given as `--min-ttl`. */
export type Flags = Record<string, Flag>

export type FlagValues<F extends Flags> = {
  [K in keyof F]?: F[K] extends { multiple: true, type: FlagType<infer T> }
    ? T[]
    : F[K] extends { type: FlagType<infer T> } ? T : never
}

export interface HostPort {
  host: string
  port: number
}

export interface Rate {
  requests: number
  /** Milliseconds. */
  interval: number
}

export const flag: FlagType<boolean> = {
  parse: () => true,
  expected: 'nothing'
}

export const text: FlagType<string> = {
  placeholder: 'TEXT',
  parse: text => text === '' ? undefined : text,
  expected: 'some text'
}

export const path: FlagType<string> = { ...text, placeholder: 'PATH', expected: 'a path' }

export const duration: FlagType<number> = {
  placeholder: 'DURATION',
  parse: parseDuration,
  expected: 'a duration with its unit, as in 30s, 90m, 2h or 3d'
}

export const count: FlagType<number> = {
  placeholder: 'N',
  parse: text => {
    const value = /^\d[\d_]*$/.test(text) ? Number(text.replaceAll('_', '')) : 0

    return value >= 1 && Number.isSafeInteger(value) ? value : undefined
  },
  expected: 'a whole number of at least 1'
}

export const rate: FlagType<Rate | false> = {
  placeholder: 'N/DURATION',
  parse: text => {
    if (text === 'off') {
      return false
    }

    const [requests = '', interval = '', ...rest] = text.split('/')
    const parsed = { requests: count.parse(requests), interval: parseDuration(interval) }

    return parsed.requests == null || parsed.interval == null || rest.length > 0 ? undefined : parsed as Rate
  },
  expected: 'a number and a duration, as in 500/1s, or off'
}

/** What ends after a while, or not at all. */
export const grace: FlagType<number | false> = {
  placeholder: 'DURATION',
  parse: text => text === 'off' ? false : parseDuration(text),
  expected: 'a duration, as in 30s, or off'
}

/** Where to listen: without a host, for this machine alone. */
export const hostPort: FlagType<HostPort> = {
  placeholder: '[HOST:]PORT',
  parse: text => {
    const [, host = '127.0.0.1', port = ''] = /^(?:(\[[\da-fA-F:.]+\]|[^:[\]/\s]+):)?(\d{1,5})$/.exec(text) ?? []

    return port === '' || Number(port) > 65_535 ? undefined : { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
  },
  expected: 'a port, or a host and a port, as in 9464, 0.0.0.0:9464 or [::1]:9464'
}

/** A name by which this machine is reached. */
export const hostName: FlagType<string> = {
  placeholder: 'NAME',
  parse: text => /^[\w-]+(\.[\w-]+)*\.?$/.test(text) ? text.replace(/\.$/, '') : undefined,
  expected: 'a name of this machine, as in rendezvous.example.com'
}

export interface StoreUrl {
  /** As the client of the server takes it. */
  url: string
  /** Without who may use it. */
  location: string
}

/** A Valkey or Redis server, which are reached in the same way. */
export const storeUrl: FlagType<StoreUrl> = {
  placeholder: 'URL',
  parse: text => {
    const [, scheme = '', tls = '', rest] = /^(redis|valkey)(s?):\/\/(.+)$/.exec(text) ?? []
    const url = rest == null ? null : URL.parse(`redis${tls}://${rest}`)

    if (url != null && url.hostname !== '' && /^\/?\d*$/.test(url.pathname)) {
      return { url: url.href, location: `${scheme}${tls}://${url.host}${url.pathname}` }
    }
  },
  expected: 'the address of a server, as in valkey://127.0.0.1:6379, redis://127.0.0.1/1 or rediss://user:password@store.example.com',
  isSecret: true
}

/** What a peer shows to a point. */
export const token: FlagType<string> = {
  placeholder: 'TOKEN',
  parse: text => text === '' || text === '@' ? undefined : text,
  expected: 'a token, or @ and the file that it is in',
  isSecret: true
}

/** Whose members may use a point. */
export const networkOf: FlagType<string> = { ...path, placeholder: 'NETWORK', expected: "a network's file, or its public key" }

/** A peer id. */
export const peer: FlagType<PeerId> = {
  placeholder: 'PEER',
  parse: text => {
    try {
      return peerIdFromString(text)
    } catch {}
  },
  expected: 'a peer id, as in 12D3Koo…'
}

/** What is done with a network. */
export const networkAction: FlagType<'create' | 'invite' | 'inspect' | 'revoke'> = {
  parse: text => text === 'create' || text === 'invite' || text === 'inspect' || text === 'revoke' ? text : undefined,
  expected: 'create, invite, inspect or revoke'
}

/** What is done with a point that runs. */
export const adminAction: FlagType<'status' | 'evict' | 'close' | 'open'> = {
  parse: text => text === 'status' || text === 'evict' || text === 'close' || text === 'open' ? text : undefined,
  expected: 'status, evict, close or open'
}

/** What a token may allow. */
export const action: FlagType<'register' | 'discover'> = {
  placeholder: 'ACTION',
  parse: text => text === 'register' || text === 'discover' ? text : undefined,
  expected: 'register or discover'
}

/** By which form a peer record is signed. */
export const recordDomain: FlagType<RecordDomain> = {
  placeholder: 'DOMAIN',
  parse: text => text === 'libp2p-peer-record' || text === 'libp2p-routing-state' ? text : undefined,
  expected: 'libp2p-peer-record or libp2p-routing-state'
}

/** An IP address, or a range of them. */
export const network: FlagType<string> = {
  placeholder: 'ADDRESS',
  parse: text => {
    const [address = '', bits, ...rest] = text.split('/')
    const most = { 4: 32, 6: 128 }[isIP(address)]

    return most == null || rest.length > 0 || (bits != null && !(/^\d{1,3}$/.test(bits) && Number(bits) <= most)) ? undefined : text
  },
  expected: 'an IP address, or a network as in 10.0.0.0/8'
}

export const address: FlagType<Multiaddr> = {
  placeholder: 'MULTIADDR',
  parse: text => {
    try {
      const parsed = multiaddr(text)

      return parsed.getComponents().length > 0 ? parsed : undefined
    } catch {}
  },
  expected: 'a multiaddr'
}

/** An address to give to others: it says how to get there, or where that can be looked up. */
export const announceAddress: FlagType<Multiaddr> = {
  placeholder: 'MULTIADDR',
  parse: text => {
    const parsed = address.parse(text)

    return parsed?.getComponents().some(isWayIn) === true ? parsed : undefined
  },
  expected: 'an address with a transport and its port, as in /ip4/203.0.113.7/tcp/62649 or /dns4/rendezvous.example.com/tcp/443/wss'
}

function isWayIn ({ name, value }: { name: string, value?: string }, index: number, all: Array<{ name: string }>): boolean {
  switch (name) {
    case 'tcp':
      return Number(value) > 0
    case 'udp':
      // which is none by itself
      return Number(value) > 0 && all[index + 1] != null && all[index + 1]?.name !== 'p2p'
    default:
      return name === 'p2p-circuit' || name === 'dnsaddr'
  }
}

/** An address to listen on: TCP, bare or under WebSockets. */
export const listenAddress: FlagType<Multiaddr> = {
  placeholder: 'MULTIADDR',
  parse: text => {
    const parsed = pointListenAddress.parse(text)

    return parsed != null && ['tcp', 'ws'].includes(wayIn(parsed)) ? parsed : undefined
  },
  expected: 'an address of this machine with a TCP port, as in /ip4/0.0.0.0/tcp/62649 or /ip4/0.0.0.0/tcp/62650/ws'
}

/** Where a point listens: there, or what browsers reach by themselves. */
export const pointListenAddress: FlagType<Multiaddr> = {
  placeholder: 'MULTIADDR',
  parse: text => {
    const parsed = address.parse(text)

    return parsed == null || listenTarget(parsed) == null ? undefined : parsed
  },
  expected: 'an address of this machine with a port, as in /ip4/0.0.0.0/tcp/62649, /ip4/0.0.0.0/tcp/62650/ws, /ip4/0.0.0.0/tcp/443/tls/ws or /ip4/0.0.0.0/udp/62651/webrtc-direct'
}

/** What is spoken at an address that can be listened on. */
export type WayIn = 'tcp' | 'ws' | 'tls/ws' | 'webrtc-direct'

export interface ListenTarget extends HostPort {
  protocol: 'tcp' | 'udp'
}

/** What follows the port, for each way in. */
const WAYS_IN: Record<string, WayIn> = { tcp: 'tcp', 'tcp/ws': 'ws', 'tcp/wss': 'tls/ws', 'tcp/tls/ws': 'tls/ws', 'udp/webrtc-direct': 'webrtc-direct' }

/** Of an address that has been looked at. */
export function wayIn (address: Multiaddr): WayIn {
  const [, ...names] = address.getComponents().map(({ name }) => name)

  return WAYS_IN[names.join('/')] as WayIn
}

/** The host and port of an address that can be listened on. */
export function listenTarget (address: Multiaddr): ListenTarget | undefined {
  const [ip, port] = address.getComponents()

  if ((ip?.name !== 'ip4' && ip?.name !== 'ip6') || port == null || wayIn(address) == null) {
    return
  }

  return { protocol: port.name as ListenTarget['protocol'], host: String(ip.value), port: Number(port.value) }
}

/** The address of a rendezvous point: its peer id is what it has to prove. */
export const pointAddress: FlagType<Multiaddr> = {
  placeholder: 'POINT',
  parse: text => {
    const point = address.parse(text)
    const last = point?.getComponents().at(-1)

    try {
      peerIdFromString(last?.name === 'p2p' ? String(last.value) : '')
    } catch {
      return
    }

    return point
  },
  expected: "an address that ends in /p2p/ and the point's peer id, as the point shows it when it starts"
}

/** `minTtl` as it is given on the command line. */
export function flagName (key: string): string {
  return `--${key.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`
}

/** Lets a command take these flags. */
export function addFlags (command: Command, flags: Flags): Command {
  for (const [key, { type, help, default: usual, multiple = false }] of Object.entries(flags)) {
    const name = flagName(key)
    const option = new Option(type.placeholder == null ? name : `${name} <${type.placeholder}>`, usual == null ? help : `${help} (${usual})`)

    command.addOption(type.placeholder == null
      ? option
      : option.argParser((text, before: unknown[] = []) => {
        // it takes the next flag for a value
        if (text.startsWith('--')) {
          throw new UsageError(`${name} needs a value`)
        }

        const value = parseValue(name, type, text)

        return multiple ? [...before, value] : value
      }))
  }

  return command
}

/**
 * @param name - of the flag or argument, for the message
 * @throws {UsageError}
 */
export function parseValue <T> (name: string, type: FlagType<T>, text: string): T {
  const value = type.parse(text)

  if (value == null) {
    throw new UsageError(`${name} takes ${type.expected}${type.isSecret === true ? '' : `, not "${text}"`}`)
  }

  return value
}

/** What the specification lets a namespace have. */
const MAX_NAMESPACE_LENGTH = 255

/**
 * A namespace, before any point is asked about it.
 *
 * @param whenEmpty - what to do instead of giving none
 * @throws {UsageError}
 */
export function parseNamespace (text: string, whenEmpty: string): string {
  const length = Buffer.byteLength(text)

  if (length === 0) {
    throw new UsageError(`NAMESPACE is empty: ${whenEmpty}`)
  }

  if (length > MAX_NAMESPACE_LENGTH) {
    throw new UsageError(`NAMESPACE has ${length} bytes of UTF-8: choose one of at most ${MAX_NAMESPACE_LENGTH}`)
  }

  return text
}
