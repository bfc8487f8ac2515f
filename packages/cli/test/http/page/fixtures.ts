import { SERIES_NAMES } from '../../../src/http/page/browser/series.ts'
import type { Columns } from '../../../src/http/page/browser/series.ts'
import type { Reading, Status } from '../../../src/http/page/status.ts'

export const POINT = '12D3KooWN5Dy2yhxjRWHNxmEAWzEu3mxeZ2vNCU2sGmLX1kHHx88'
export const PEER = '12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8'

export function reading (values: Partial<Reading> = {}): Reading {
  return {
    registrations: 5,
    namespaces: 2,
    bytes: 3_200,
    connections: 3,
    subscriptions: 1,
    requests: 40,
    refusals: { E_INVALID_TTL: 2 },
    memory: 90_000_000,
    delay: 4,
    refused: [{ at: 3_000, action: 'register', namespace: 'my-app', status: 'E_INVALID_TTL', text: 'too short', peer: PEER }],
    ...values
  }
}

export function status (values: Partial<Status> = {}): Status {
  return {
    peerId: POINT,
    version: '1.2.3',
    addresses: [`/ip4/127.0.0.1/tcp/62649/p2p/${POINT}`, `/dns4/rendezvous.example.com/tcp/443/wss/p2p/${POINT}`],
    isServing: true,
    since: 0,
    at: 3_600_000,
    reading: reading(),
    limits: [{ flag: '--max-connections', what: 'Connections', used: 3, max: 100, unit: 'count' }],
    fullest: [{ namespace: 'my-app', registrations: 4 }, { namespace: 'another-app', registrations: 1 }],
    closed: ['a-closed-one'],
    ...values
  }
}

/** Two parts of time. */
export function columns (): Columns {
  return {
    width: 5_000,
    capacity: 180,
    at: [0, 5_000],
    values: { ...Object.fromEntries(SERIES_NAMES.map(name => [name, [1, 2]])), connections: [7, 3], requests: [null, 2] } as Columns['values']
  }
}
