import { madeUp, NO_LIMITS } from './registrations.ts'
import type { NewRegistration, Page, RegisterResult, RegistrationStore } from 'libp2p-rendezvous'

/** How registrations are spread. */
export type Shape = 'one namespace' | '10,000 namespaces'

export const SHAPES: Shape[] = ['one namespace', '10,000 namespaces']
export const SIZES = [1_000, 10_000, 100_000, 1_000_000]

const NAMESPACES = 10_000

/** Registrations that are made, and looked up, at once. */
const BATCH = 1_000

/**
 * A store with a number of registrations in it, and what there is to do with it. The number stays:
 * what is unregistered is registered again.
 */
export class Population {
  readonly store: RegistrationStore
  readonly size: number
  readonly #shape: Shape
  /** Sequence numbers in order, when they were last looked up. */
  #sequences: number[] = []

  constructor (store: RegistrationStore, size: number, shape: Shape) {
    this.store = store
    this.size = size
    this.#shape = shape
  }

  async fill (): Promise<void> {
    await this.store.start?.()

    for (let from = 0; from < this.size; from += BATCH) {
      await Promise.all(Array.from({ length: Math.min(BATCH, this.size - from) }, (_, i) => this.register(this.#made(from + i))))
    }
  }

  register (registration: NewRegistration): RegisterResult | Promise<RegisterResult> {
    return this.store.register(registration, NO_LIMITS, Date.now())
  }

  unregister ({ namespace, peer }: NewRegistration): unknown {
    return this.store.unregister(namespace, peer, Date.now())
  }

  /** Registrations that are held, any of them, as their peers would send them again. */
  some (count: number): NewRegistration[] {
    const indexes = new Set<number>()

    while (indexes.size < count) {
      indexes.add(Math.floor(Math.random() * this.size))
    }

    return [...indexes].map(index => this.#made(index))
  }

  someNamespace (): string {
    return this.#namespaceOf(Math.floor(Math.random() * this.size))
  }

  /** A page of 100. */
  page (after: number | undefined, namespace?: string): Page | undefined | Promise<Page | undefined> {
    return this.store.list({ namespace, after, limit: 100 }, Date.now())
  }

  /** Looks up where a listing has its middle and its end. */
  async findPlaces (): Promise<void> {
    this.#sequences = []

    for (let page = await this.#places(); lengthOf(page) > 0; page = await this.#places(page?.cursor)) {
      page?.registrations.forEach(({ sequence }) => { this.#sequences.push(sequence) })
    }
  }

  /** As many at a time as a server that others use, too, is asked for. */
  async #places (after?: number): Promise<Page | undefined> {
    return this.store.list({ after, limit: BATCH }, Date.now())
  }

  /** The cursor of a place in the listing of all: 0 is the beginning, 1 is where the last page begins. */
  cursorAt (share: number): number {
    return this.#sequences[Math.max(0, Math.floor((this.size - 101) * share))] as number
  }

  /** The namespace of all, where there is one. */
  get namespace (): string | undefined {
    return this.#shape === 'one namespace' ? this.#namespaceOf(0) : undefined
  }

  #made (index: number): NewRegistration {
    return madeUp(index, this.#namespaceOf(index))
  }

  #namespaceOf (index: number): string {
    return this.#shape === 'one namespace' ? 'all-in-one' : `namespace-${index % NAMESPACES}`
  }
}

/** For a listing that must not be optimised away. */
export function lengthOf (page: Page | undefined): number {
  return page?.registrations.length ?? 0
}
