import { circuitRelayServer } from '@libp2p/circuit-relay-v2'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { defaultLogger } from '@libp2p/logger'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { TypedEventEmitter } from 'main-event'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { keepWhileConnected } from '../../src/patches/reservations.ts'
import type { CircuitRelayService } from '@libp2p/circuit-relay-v2'
import type { Libp2pEvents, PeerId } from '@libp2p/interface'

const TTL = 2 * 60 * 60_000
/** As js-libp2p renews: some minutes before the end. */
const RENEWAL = TTL - 5 * 60_000

const peer = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))

interface Relay {
  server: CircuitRelayService
  reserve: (peer: PeerId) => { status: string }
  connected: Set<string>
  /** The last connection of a peer is gone. */
  leave: (peer: PeerId) => void
}

function relay (mend: typeof keepWhileConnected): Relay {
  const events = new TypedEventEmitter<Libp2pEvents>()
  const connected = new Set([peer.toString()])
  const server = circuitRelayServer()({ logger: defaultLogger() } as any)
  mend(server, { events, connectionManager: { getConnections: (id?: PeerId) => connected.has(String(id)) ? [{}] : [] } as any })

  return {
    server,
    connected,
    reserve: id => (server as any).reservationStore.reserve(id, multiaddr('/ip4/127.0.0.1/tcp/1')),
    leave: id => {
      connected.delete(id.toString())
      events.safeDispatchEvent('peer:disconnect', { detail: id })
    }
  }
}

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(AbortSignal, 'timeout').mockImplementation(ms => {
    const controller = new AbortController()
    setTimeout(() => { controller.abort() }, ms)

    return controller.signal
  })
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** After which renewal, if any of ten, there is a time at which the peer has no reservation. */
function forgottenAfter ({ server, reserve }: Relay): number | undefined {
  reserve(peer)

  for (let renewal = 1; renewal <= 10; renewal++) {
    for (let passed = 0; passed < RENEWAL; passed += 60_000) {
      vi.advanceTimersByTime(60_000)

      if (!server.reservations.has(peer)) {
        return renewal - 1
      }
    }

    expect(reserve(peer).status).to.equal('OK')
  }
}

describe('a reservation', () => {
  it('outlasts ten renewals', () => {
    expect(forgottenAfter(relay(keepWhileConnected))).to.equal(undefined)
  })

  it('is forgotten by the library itself after the second, or this mend can go', () => {
    expect(forgottenAfter(relay(() => {}))).to.equal(2)
  })

  it('lasts as long as its peer is connected', () => {
    const { server, reserve } = relay(keepWhileConnected)
    reserve(peer)
    vi.advanceTimersByTime(10 * TTL)

    expect(server.reservations.has(peer)).to.equal(true)
  })

  it('ends with the last connection of its peer, and not later with the next one', () => {
    const { server, connected, reserve, leave } = relay(keepWhileConnected)
    reserve(peer)
    leave(peer)
    expect(server.reservations.has(peer)).to.equal(false)

    connected.add(peer.toString())
    reserve(peer)
    vi.advanceTimersByTime(10 * TTL)
    expect(server.reservations.has(peer)).to.equal(true)
  })

  it('is not given to who has left meanwhile', () => {
    const { server, reserve, leave } = relay(keepWhileConnected)
    leave(peer)

    expect(reserve(peer).status).to.equal('CONNECTION_FAILED')
    expect(server.reservations.size).to.equal(0)
  })

  it('is left to a server that keeps it otherwise', () => {
    expect(() => { keepWhileConnected({}, { events: new TypedEventEmitter(), connectionManager: { getConnections: () => [] } }) }).to.not.throw()
  })
})
