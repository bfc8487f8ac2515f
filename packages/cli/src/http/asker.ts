import { multiaddr } from '@multiformats/multiaddr'
import { isIP } from 'node:net'
import { askerBehind, plainIp } from './addresses.ts'
import type { HttpEnv } from './types.ts'
import type { PeerId } from '@libp2p/interface'
import type { Asker, Origin } from 'libp2p-rendezvous'
import type { Context } from 'hono'
import type { Socket } from 'node:net'

/** What RFC 6750 lets a token be made of. */
const BEARER = /^Bearer +([\w.~+/-]+=*)$/i

/** Says who makes a request: where from, and with what token. */
export interface AskerOf {
  (c: Context<HttpEnv>): Asker
  (c: Context<HttpEnv>, peer: PeerId): Asker & { peer: PeerId }
}

/**
 * @param proxies - that are believed when they say for whom they ask
 */
export function askerOf (proxies: string[] = []): AskerOf {
  const behind = askerBehind(proxies)
  // what comes on a connection comes from there, and the point keeps for each what network it is of
  const origins = new WeakMap<Socket, Origin>()
  let sockets = 0

  const originOf = (socket: Socket, forwardedFor: string | undefined): Origin => {
    const remote = socket.remoteAddress ?? ''
    const known = origins.get(socket)

    if (known != null && forwardedFor == null) {
      return known
    }

    // of a proxy that does not tell for whom it asks the point knows, too, and goes by the id
    const origin = { remoteAddr: addressOf(behind(remote, forwardedFor) ?? plainIp(remote)), id: `http-${++sockets}` }

    if (forwardedFor == null) {
      origins.set(socket, origin)
    }

    return origin
  }

  return ((c: Context<HttpEnv>, peer?: PeerId) => ({
    origin: originOf(c.env.incoming.socket, proxies.length === 0 ? undefined : c.req.header('x-forwarded-for')),
    ...(peer == null ? {} : { peer }),
    token: bearer(c.env.incoming.headers.authorization)
  })) as AskerOf
}

function bearer (authorization: string | undefined): string | undefined {
  return authorization == null ? undefined : BEARER.exec(authorization)?.[1]
}

function addressOf (ip: string): Origin['remoteAddr'] {
  switch (isIP(ip)) {
    case 6: return multiaddr(`/ip6/${ip}/tcp/0`)
    case 4: return multiaddr(`/ip4/${ip}/tcp/0`)
    // the connection is gone already
    default: return multiaddr('/ip4/0.0.0.0/tcp/0')
  }
}
