const peerProof = {
  name: 'Peer-Proof',
  in: 'header',
  required: true,
  description: 'Proves who asks: a signed envelope (libp2p RFC 0002) in multibase base64url, of the domain `libp2p-rendezvous-http` and the payload type `/libp2p-rendezvous/http-request`. Its payload is three lines of text: the method and the path of this request, the peer id of the point, the time in milliseconds since the epoch.',
  schema: { type: 'string', pattern: '^u' }
} as const

const network = {
  name: 'network',
  in: 'path',
  required: true,
  description: 'The namespace. A slash in it is written as `%2F`.',
  schema: { type: 'string', minLength: 1 }
} as const

const json = (schema: object): object => ({ content: { 'application/json': { schema } } })
const ref = (name: string): object => ({ $ref: `#/components/schemas/${name}` })
const refused = (description: string): object => ({ description, ...json(ref('Refusal')) })
const multibase = { type: 'string', pattern: '^u[A-Za-z0-9_-]+$' }
const time = { type: 'string', format: 'date-time' }

const refusals = {
  400: refused('E_INVALID_NAMESPACE or E_INVALID_COOKIE, or the request is malformed'),
  401: refused('A token or a proof is missing, or is not good'),
  403: refused('E_NOT_AUTHORIZED'),
  429: refused('E_UNAVAILABLE: there were too many requests from this network. Retry-After says when to try again'),
  501: refused('The point runs in several processes, which serve over libp2p alone'),
  503: refused('E_UNAVAILABLE: a limit is reached, or the store is away; or the point starts or stops')
}

/** What the registry says of itself. */
export const openapi = {
  openapi: '3.1.0',
  info: {
    title: 'A registry of a libp2p rendezvous point',
    version: '1',
    description: 'Who is registered in a network (a namespace), by the same rules as over the rendezvous protocol. Where a point is for members alone, a token is shown as a bearer token. Whatever is answered carries records signed by their peers, so nobody has to believe the point.',
    license: { name: 'Apache-2.0 OR MIT', identifier: 'Apache-2.0 OR MIT' }
  },
  security: [{}, { token: [] }],
  paths: {
    '/network/{network}/active-peers': {
      get: {
        operationId: 'activePeers',
        summary: 'Lists who is registered, page by page',
        parameters: [
          network,
          { name: 'cookie', in: 'query', description: 'From where on, as the page before has said', schema: { type: 'string' } },
          { name: 'limit', in: 'query', schema: { type: 'integer', minimum: 1, maximum: 100, default: 100 } }
        ],
        responses: { 200: { description: 'A page', ...json(ref('Page')) }, ...refusals }
      }
    },
    '/network/{network}/peer/{peer}': {
      get: {
        operationId: 'peer',
        summary: 'Says where a peer is',
        parameters: [network, { name: 'peer', in: 'path', required: true, description: 'Its peer id', schema: { type: 'string' } }],
        responses: { 200: { description: 'The peer', ...json(ref('Peer')) }, 404: refused('It is not registered here'), 422: refused('This is no peer id'), ...refusals }
      }
    },
    '/network/{network}/announce': {
      post: {
        operationId: 'announce',
        summary: 'Registers the peer that asks, or renews its registration',
        parameters: [network, peerProof],
        requestBody: { required: true, ...json(ref('Announcement')) },
        responses: {
          200: { description: 'It is registered', ...json(ref('Granted')) },
          413: refused('The body is too large'),
          421: refused('The host is none of this point'),
          422: refused('E_INVALID_SIGNED_PEER_RECORD or E_INVALID_TTL'),
          ...refusals
        }
      },
      delete: {
        operationId: 'withdraw',
        summary: 'Ends the registration of the peer that asks',
        parameters: [network, peerProof],
        responses: { 204: { description: 'It is not registered any more' }, 404: refused('It was not registered here'), 421: refused('The host is none of this point'), ...refusals }
      }
    },
    '/network/{network}/events': {
      get: {
        operationId: 'events',
        summary: 'Tells who is registered, and then of each change',
        description: 'Server-sent events of the type `update`, whose data is an Update. Where the stream was lost, `Last-Event-ID` has it go on. A reader that is slow is told the sum of what happened. An event of the type `error`, whose data is a Refusal, ends the stream.',
        parameters: [
          network,
          { name: 'Last-Event-ID', in: 'header', description: 'The id of the last event that was seen', schema: { type: 'string' } },
          { name: 'cookie', in: 'query', description: 'The same, or the cookie of a page', schema: { type: 'string' } }
        ],
        responses: { 200: { description: 'A stream', content: { 'text/event-stream': { schema: { type: 'string' } } } }, ...refusals }
      }
    },
    '/coordinator/heartbeat': {
      post: {
        operationId: 'heartbeat',
        summary: 'Says that the peer that asks is there, and is told where it is registered',
        parameters: [peerProof],
        responses: { 200: { description: 'It is noted', ...json(ref('Heartbeat')) }, 421: refused('The host is none of this point'), ...refusals }
      }
    }
  },
  components: {
    securitySchemes: {
      token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'A token of the network of members that the point serves' }
    },
    schemas: {
      Peer: {
        type: 'object',
        required: ['peerId', 'online', 'lastSeen', 'expires', 'addresses', 'signedPeerRecord'],
        additionalProperties: false,
        properties: {
          peerId: { type: 'string' },
          online: { type: 'boolean', description: 'Whether it is connected to this point, or has said within 90 seconds that it is there' },
          lastSeen: { ...time, type: ['string', 'null'], description: 'When that was last so, as far as this point remembers' },
          expires: { ...time, description: 'When its registration ends' },
          addresses: { type: 'array', items: { type: 'string' }, description: 'Multiaddrs' },
          signedPeerRecord: { ...multibase, description: 'The envelope of its signed peer record (libp2p RFC 0002 and 0003), in multibase base64url' }
        }
      },
      Page: {
        type: 'object',
        required: ['peers', 'cookie', 'more'],
        additionalProperties: false,
        properties: {
          peers: { type: 'array', items: ref('Peer') },
          cookie: { ...multibase, description: 'For the page behind this one, now or later' },
          more: { type: 'boolean', description: 'Whether there may be more now' }
        }
      },
      Update: {
        type: 'object',
        required: ['peers', 'gone', 'resync', 'more'],
        additionalProperties: false,
        properties: {
          peers: { type: 'array', items: ref('Peer'), description: 'Who is registered, newly or again' },
          gone: { type: 'array', items: { type: 'string' }, description: 'Peer ids of whose registrations have ended; those among `peers` are registered again' },
          resync: { type: 'boolean', description: 'More may be gone than those: to know, list all' },
          more: { type: 'boolean', description: 'More is told at once' }
        }
      },
      Announcement: {
        type: 'object',
        required: ['signedPeerRecord'],
        properties: {
          signedPeerRecord: { type: 'string', description: 'The envelope, signed by who asks, in multibase base64url or base64' },
          otherSignedPeerRecord: { type: 'string', description: 'The same record in the other form' },
          ttl: { type: 'integer', minimum: 0, description: 'Seconds' }
        }
      },
      Granted: {
        type: 'object',
        required: ['peerId', 'ttl', 'expires'],
        additionalProperties: false,
        properties: { peerId: { type: 'string' }, ttl: { type: 'integer', description: 'Seconds' }, expires: time }
      },
      Heartbeat: {
        type: 'object',
        required: ['peerId', 'networks', 'interval'],
        additionalProperties: false,
        properties: {
          peerId: { type: 'string' },
          networks: { type: 'array', items: { type: 'object', required: ['network', 'expires'], additionalProperties: false, properties: { network: { type: 'string' }, expires: time } } },
          interval: { type: 'integer', description: 'Seconds until the next one' }
        }
      },
      Refusal: {
        type: 'object',
        required: ['message'],
        additionalProperties: false,
        properties: {
          status: { type: 'string', description: 'As in the rendezvous protocol, where the point has refused it' },
          message: { type: 'string' }
        }
      }
    }
  }
} as const
