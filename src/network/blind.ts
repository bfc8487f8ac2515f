import { InvalidParametersError } from '@libp2p/interface'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { toString } from 'uint8arrays/to-string'
import { checkNamespace } from '../protocol/namespace.ts'

const HOUR = 60 * 60_000
const DAY = 24 * HOUR

/**
 * So long before a day begins its name is used, too, and so long after it has ended. Two members of whom one is an hour
 * ahead have a name in common for as long as each has the names of half an hour around its own time; the rest is for what
 * takes its time.
 */
const OVERLAP = 2 * HOUR

/** What others see that it is, so that a token can be for all of them. */
const PREFIX = 'blind/'

/** Bytes of a secret that cannot be guessed. */
const MIN_SECRET = 16

const encoder = new TextEncoder()

/** Names of namespaces that only those can make who know a secret. */
export interface Blind {
  /**
   * The names under which a namespace is known at a time: that of the day, and around midnight (UTC) that of the next or
   * the last, too.
   *
   * @param now - milliseconds since the epoch
   * @throws {InvalidParametersError} when the namespace is none
   */
  (namespace: string, now?: number): string[]
  /** When the names are others, in milliseconds since the epoch. */
  changesAt: (now?: number) => number
}

/**
 * Namespaces on the wire that only those who know the secret can name, another each day (docs/networks.md says what that
 * hides, and what it does not).
 *
 * @param secret - at least 16 bytes, as nobody can guess them
 * @throws {InvalidParametersError} when it is shorter
 */
export function blind (secret: Uint8Array): Blind {
  if (!(secret instanceof Uint8Array && secret.byteLength >= MIN_SECRET)) {
    throw new InvalidParametersError(`a secret has at least ${MIN_SECRET} bytes, made at random`)
  }

  const key = secret.slice()

  const nameOf = (namespace: string, day: number): string => {
    const name = encoder.encode(namespace)
    const message = new Uint8Array(8 + name.byteLength)
    new DataView(message.buffer).setBigUint64(0, BigInt(day))
    message.set(name, 8)

    return PREFIX + toString(hmac(sha256, key, message), 'base64url')
  }

  return Object.assign((namespace: string, now: number = Date.now()) => {
    checkNamespace(namespace)

    return daysAt(now).map(day => nameOf(namespace, day))
  }, {
    changesAt: (now: number = Date.now()) => {
      const begin = Math.floor(now / DAY) * DAY

      return [begin + OVERLAP, begin + DAY - OVERLAP, begin + DAY + OVERLAP].find(time => time > now) as number
    }
  })
}

/** The days, counted from the epoch, whose names are used at a time. */
function daysAt (now: number): number[] {
  return [...new Set([Math.floor((now - OVERLAP) / DAY), Math.floor((now + OVERLAP) / DAY)])].filter(day => day >= 0)
}
