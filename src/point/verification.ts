import type { Network } from '../store/fair-shares.ts'
import type { PublicKey } from '@libp2p/interface'

/**
 * What a record that was not seen before costs, in small requests; each is some 40 µs of the processor on
 * the machine where all of these were measured. To open one took 440 µs with 4 KiB of addresses; to read a
 * key of secp256k1 190 to 260, for which Node has no code of its own, and to verify with it 2,050 to 2,700. Ed25519
 * took 200; RSA, whose exponent is 65537, 50 with 2,048 bits and 130 with 4,096.
 */
const BYTES_OPENED = 400
const KEY_READ: Record<string, number> = { Ed25519: 0, RSA: 0, secp256k1: 6 }
const ANY_KEY_READ = 6
const VERIFIED: Record<string, number> = { Ed25519: 5, RSA: 5, secp256k1: 60 }

/**
 * What it took to open a record, beyond its request: nothing for the usual one, of a few hundred bytes.
 *
 * @param key - absent where the record could not be opened
 */
export function openingWork (envelope: Uint8Array, key?: PublicKey): number {
  return Math.floor(envelope.byteLength / BYTES_OPENED) + (KEY_READ[String(key?.type)] ?? ANY_KEY_READ)
}

/** What it takes to verify a signature. */
export function verifyingWork (key: PublicKey): number {
  return VERIFIED[key.type] ?? Infinity
}

/** What it takes to verify a token, which is signed with Ed25519. */
export const TOKEN_VERIFIED = 5

/** Milliseconds. */
const WINDOW = 1_000

/** Of work with records within a window: two fifths of a processor, or as many as 2,000 usual ones. */
const MOST = 10_000

/**
 * The second half of it is for networks that have not had this much: however many others there are, one
 * that asks for little is served.
 */
const LITTLE = MOST / 64

/** What is done with the records of one request, and with its token. */
export interface Account {
  /** Whether the network that it came from may have a record opened and verified. */
  hasRoom: () => boolean
  /** Counts what has been done, or is about to be. */
  spend: (work: number) => void
  readonly spent: number
}

/**
 * What all peers together may have a point do with records that it has not seen before. Each has its rate
 * limit, and whoever has many identities has many of those.
 */
export class RecordBudget {
  #window = 0
  #spent = 0
  readonly #spentBy = new Map<string, number>()

  open (network: Network, now: number): Account {
    return new BudgetAccount(this, network, now)
  }

  hasRoom (network: Network, now: number): boolean {
    this.#moveTo(now)

    return this.#spent < MOST / 2 || (this.#spent < MOST && (this.#spentBy.get(widest(network)) ?? 0) < LITTLE)
  }

  spend (network: Network, work: number, now: number): void {
    this.#moveTo(now)
    this.#spent += work
    this.#spentBy.set(widest(network), (this.#spentBy.get(widest(network)) ?? 0) + work)
  }

  #moveTo (now: number): void {
    const window = Math.floor(now / WINDOW)

    if (window !== this.#window) {
      this.#window = window
      this.#spent = 0
      this.#spentBy.clear()
    }
  }
}

/** One of a class costs a request less than functions of its own; most bring a record that is known, and ask for nothing of it. */
class BudgetAccount implements Account {
  readonly #budget: RecordBudget
  readonly #network: Network
  readonly #now: number
  spent = 0

  constructor (budget: RecordBudget, network: Network, now: number) {
    this.#budget = budget
    this.#network = network
    this.#now = now
  }

  hasRoom (): boolean {
    return this.#budget.hasRoom(this.#network, this.#now)
  }

  spend (work: number): void {
    this.spent += work
    this.#budget.spend(this.#network, work, this.#now)
  }
}

function widest (network: Network): string {
  return network.split('/', 1)[0] ?? ''
}
