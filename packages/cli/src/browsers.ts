import { WebRTCDirect, WebSocketsSecure } from '@multiformats/multiaddr-matcher'
import type { Multiaddr } from '@multiformats/multiaddr'

/** What a point is for browsers. */
export interface Browsers {
  /** Those of its addresses that pages reach, wherever they were loaded from. */
  addresses: string[]
  /** What pages cannot do, in a line each, with what that takes. */
  problems: string[]
}

export interface BrowsersInit {
  hasCertificate: boolean
  hasRelay: boolean
}

export function forBrowsers (all: Multiaddr[], { hasCertificate, hasRelay }: BrowsersInit): Browsers {
  const addresses = all.filter(address => WebSocketsSecure.matches(address) || WebRTCDirect.matches(address)).map(String)

  return {
    addresses,
    problems: [
      ...(addresses.length > 0 ? [] : [unreachable(hasCertificate)]),
      ...(hasRelay ? [] : ['Pages find others here, and cannot be reached by them: that takes --relay.'])
    ]
  }
}

function unreachable (hasCertificate: boolean): string {
  return hasCertificate
    ? 'Browsers will not reach it, for the certificate names no host: say which it is for with --announce /dns4/HOST/tcp/PORT/tls/ws.'
    : 'Browsers on https pages will not reach it: that takes --tls-cert and --tls-key, a proxy with a certificate and --announce, or @libp2p/webrtc installed beside this program.'
}
