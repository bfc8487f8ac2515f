import { AbortError, ProtocolError } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { fromString } from 'uint8arrays/from-string'
import { MAX_ADDRESSES, MAX_RECORD_SIZE } from '../../protocol/peer-record.ts'
import { usableAddresses } from '../addresses.ts'
import { Deadline } from '../deadline.ts'
import type { CID } from './namespaces.ts'
import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** Bytes of an answer that are read: a hundred peers with the largest records take less. */
const MAX_BYTES = 1024 * 1024

/** The specification of the API recommends that no answer has more. */
const MAX_PEERS = 100

/** Characters of a peer id, of which those that there are have some sixty, and of an address. */
const MAX_ID_LENGTH = 128
const MAX_ADDRESS_LENGTH = 1_024

/** What multibase puts before base 64 for URLs. */
const BASE_64_URL = 'u'

/** A peer that a registry names. */
export interface NamedPeer {
  peerId: PeerId
  /** As the registry says: nobody has signed them. None where there is an envelope, which has its own. */
  multiaddrs: Multiaddr[]
  /** The peer's signed record, not verified. */
  envelope?: Uint8Array
}

/**
 * A server that is asked by HTTP who is where, and who has what: the delegated routing API of version 1
 * (https://specs.ipfs.tech/routing/http-routing-v1/), and a field of this package's point, `SignedPeerRecord`
 * (docs/routing.md). What it sends is bounded in bytes, time and number, and nothing is followed elsewhere.
 */
export class Registry {
  readonly #url: URL
  readonly #timeout: number
  /** Under which it is reached, as far as its name says. */
  readonly address: Multiaddr

  /**
   * @param url - what the API's paths are relative to; ends in a slash
   * @param timeout - milliseconds that a request may take until all of its answer is read
   */
  constructor (url: URL, timeout: number) {
    this.#url = url
    this.#timeout = timeout
    this.address = addressOf(url)
  }

  toString (): string {
    return this.#url.href
  }

  /**
   * Where a peer is, as far as the registry knows: other peers that it names are left out.
   *
   * @throws {ProtocolError} when the answer breaks the API, or is larger than is read
   * @throws {TimeoutError}
   * @throws {AbortError}
   * @throws what `fetch` says of a failed request
   */
  async * findPeer (peerId: PeerId, signal: AbortSignal): AsyncGenerator<NamedPeer> {
    for await (const named of this.#get(`routing/v1/peers/${peerId.toCID()}`, signal)) {
      if (named.peerId.equals(peerId)) {
        yield named
      }
    }
  }

  /**
   * Who has a block.
   *
   * @throws as `findPeer`
   */
  async * findProviders (cid: CID, signal: AbortSignal): AsyncGenerator<NamedPeer> {
    yield * this.#get(`routing/v1/providers/${cid.toV1()}`, signal)
  }

  async * #get (path: string, signal: AbortSignal): AsyncGenerator<NamedPeer> {
    const deadline = new Deadline(this.#timeout, `A request to ${this}`, signal)

    try {
      const response = await deadline.race(fetch(new URL(path, this.#url), {
        // one that browsers send without asking first
        headers: { accept: 'application/x-ndjson, application/json;q=0.9' },
        // it was named by the user, and whatever it names was not
        redirect: 'error',
        credentials: 'omit',
        referrerPolicy: 'no-referrer',
        signal: deadline.signal
      }))

      // how older servers say that nobody is known
      if (response.status === 404) {
        return
      }

      let left = MAX_PEERS

      for await (const record of this.#recordsOf(response, deadline)) {
        const named = peerOf(record)

        if (named != null) {
          yield named
        }

        if (--left === 0) {
          return
        }
      }
    } finally {
      // ends what has not been read, too
      deadline.end(new AbortError())
    }
  }

  async * #recordsOf (response: Response, deadline: Deadline): AsyncGenerator<unknown> {
    const type = response.headers.get('content-type') ?? ''
    const isLines = type.startsWith('application/x-ndjson')

    if (!response.ok || !(isLines || type.startsWith('application/json'))) {
      throw new ProtocolError(`${this} answered with the status ${response.status} and ${isLines ? 'lines of JSON' : 'something else than JSON'}`)
    }

    const texts = textsOf(response, deadline)

    try {
      if (isLines) {
        for await (const line of linesOf(texts)) {
          yield JSON.parse(line)
        }
      } else {
        yield * listIn(JSON.parse(await join(texts)))
      }
    } catch (err: any) {
      throw err instanceof SyntaxError || err instanceof RangeError ? new ProtocolError(`${this} answered with something else than JSON`) : err
    }
  }
}

/** The body as it comes. Its reader is not an iterable everywhere. */
async function * textsOf ({ body }: Response, deadline: Deadline): AsyncGenerator<string> {
  const reader = body?.getReader()
  const decoder = new TextDecoder()
  let left = MAX_BYTES

  for (let read = await next(); read?.done === false; read = await next()) {
    left -= read.value.byteLength

    if (left < 0) {
      throw new ProtocolError(`A registry answered with more than ${MAX_BYTES} bytes`)
    }

    yield decoder.decode(read.value, { stream: true })
  }

  async function next (): Promise<{ done: boolean, value?: any } | undefined> {
    return reader == null ? undefined : deadline.race(reader.read())
  }
}

async function join (texts: AsyncIterable<string>): Promise<string> {
  const all: string[] = []

  for await (const text of texts) {
    all.push(text)
  }

  return all.join('')
}

/** Lines that are not empty. What comes of one in however many pieces is put together once. */
async function * linesOf (texts: AsyncIterable<string>): AsyncGenerator<string> {
  let pieces: string[] = []

  for await (const text of texts) {
    const [first = '', ...others] = text.split('\n')
    pieces.push(first)

    for (const piece of others) {
      const line = pieces.join('')
      pieces = [piece]

      if (line.trim() !== '') {
        yield line
      }
    }
  }

  const last = pieces.join('')

  if (last.trim() !== '') {
    yield last
  }
}

function listIn (answer: any): unknown[] {
  const list = answer?.Peers ?? answer?.Providers

  return Array.isArray(list) ? list : []
}

/** @returns undefined for what is not of the schema, or not to be believed */
function peerOf (record: any): NamedPeer | undefined {
  if (record?.Schema !== 'peer' || typeof record.ID !== 'string' || record.ID.length > MAX_ID_LENGTH) {
    return
  }

  try {
    const peerId = peerIdFromString(record.ID)

    // one that says that it is signed is no better than its signature
    return record.SignedPeerRecord == null
      ? { peerId, multiaddrs: addressesOf(record.Addrs, peerId) }
      : { peerId, multiaddrs: [], envelope: bytesOf(record.SignedPeerRecord) }
  } catch {
    // an id or a record that is none
  }
}

function addressesOf (list: unknown, peerId: PeerId): Multiaddr[] {
  const multiaddrs = (Array.isArray(list) ? list.slice(0, MAX_ADDRESSES) : []).flatMap(text => {
    try {
      return typeof text === 'string' && text.length <= MAX_ADDRESS_LENGTH ? multiaddr(text) : []
    } catch {
      return []
    }
  })

  return usableAddresses({ peerId, multiaddrs }).map(address => multiaddr(address))
}

/**
 * @throws when it is not what it should be
 */
function bytesOf (text: unknown): Uint8Array {
  if (typeof text !== 'string' || !text.startsWith(BASE_64_URL) || text.length > MAX_RECORD_SIZE * 4 / 3 + 2) {
    throw new ProtocolError('A signed record is bytes in base 64 for URLs')
  }

  return fromString(text.slice(BASE_64_URL.length), 'base64url')
}

/** An address with what a URL says of where the server is. */
function addressOf ({ hostname }: URL): Multiaddr {
  if (hostname.startsWith('[')) {
    return multiaddr(`/ip6/${hostname.slice(1, -1)}`)
  }

  return multiaddr(/^[\d.]+$/.test(hostname) ? `/ip4/${hostname}` : `/dns/${hostname}`)
}
