import { Member } from './entry.ts'
import { FormLists } from './form-lists.ts'
import { GradualShares } from './gradual-shares.ts'
import type { Entry } from './entry.ts'
import type { FairShares, Network, Share } from './fair-shares.ts'
import type { ShareAccess } from './gradual-shares.ts'

/** How many namespaces are found to count for another network before a newcomer is refused: some milliseconds. */
const MAX_MISCOUNTED = 8

/** How many registrations of a namespace are looked at to find out for whom it counts. */
const PAYERS = 8

/** The registrations in one namespace, which is itself a share of the namespaces there may be. */
export class Namespace extends FormLists<Entry> implements Share {
  readonly name: string
  /** The one that it counts for. */
  network: Network
  born: number
  parent: object | undefined = undefined
  place = 0
  #shares: GradualShares<Entry, Member> | undefined

  constructor (name: string, network: Network, born: number) {
    super()
    this.name = name
    this.network = network
    this.born = born
  }

  get weight (): number {
    return 1
  }

  /** From now on it is known who holds what of it: its limit is in sight. */
  count (): GradualShares<Entry, Member> {
    this.#shares ??= new GradualShares(this, MEMBERS)

    return this.#shares
  }

  /** Whether it is known already. */
  get isCounted (): boolean {
    return this.#shares?.isComplete ?? false
  }

  /** Adds an entry, in the place of the one of the same peer if there is one. */
  put (entry: Entry, previous: Entry | undefined): void {
    this.#shares?.put(entry, previous)

    if (previous != null) {
      super.remove(previous)
    }

    this.append(entry)
  }

  override remove (entry: Entry): void {
    super.remove(entry)
    this.#shares?.remove(entry)
  }
}

const MEMBERS: ShareAccess<Entry, Member> = {
  of: ({ member }) => member,
  make: entry => {
    entry.member = new Member(entry)

    return entry.member
  },
  drop: entry => { entry.member = undefined }
}

const NAMESPACES: ShareAccess<Namespace, Namespace> = {
  of: namespace => namespace.parent == null ? undefined : namespace,
  make: (namespace, shares) => {
    namespace.network = payerOf(namespace, shares)

    return namespace
  },
  drop: () => {}
}

/**
 * The namespaces that have registrations. Each counts for one network, the one in it that has the fewest, so that
 * who registers in the namespaces of others as well does not get them removed.
 */
export class Namespaces {
  readonly #byName = new Map<string, Namespace>()
  #shares: GradualShares<Namespace, Namespace> | undefined

  get size (): number {
    return this.#byName.size
  }

  get (name: string): Namespace | undefined {
    return this.#byName.get(name)
  }

  /** The namespace of that name, which is a new one of that network and age if it is not there. */
  open (name: string, network: Network, born: number): Namespace {
    let namespace = this.#byName.get(name)

    if (namespace == null) {
      namespace = new Namespace(name, network, born)
      this.#shares?.put(namespace)
      this.#byName.set(name, namespace)
    }

    return namespace
  }

  put (namespace: Namespace, entry: Entry, previous: Entry | undefined): void {
    namespace.put(entry, previous)

    if (namespace.parent != null) {
      if (previous != null && previous.network !== entry.network) {
        this.#left(namespace, previous.network)
      }

      this.#charge(namespace, entry.network)
    }
  }

  /** A namespace goes with its last entry. */
  remove (entry: Entry): void {
    const namespace = this.#byName.get(entry.namespace) as Namespace
    namespace.remove(entry)

    if (namespace.size === 0) {
      this.#byName.delete(namespace.name)
      this.#shares?.remove(namespace)
    } else if (namespace.parent != null) {
      this.#left(namespace, entry.network)
    }
  }

  /** From now on it is known who has how many of them: their limit is in sight. */
  count (): GradualShares<Namespace, Namespace> {
    this.#shares ??= new GradualShares(this.#byName.values(), NAMESPACES)

    return this.#shares
  }

  /**
   * The namespace that makes room for one of a network's. Those who are there longest may all be of one network, and
   * leave the others to make room with it: before that happens, all are looked at, who would be removed otherwise.
   */
  crowdedOut (network: Network): Namespace | undefined {
    const { all } = this.count()

    for (let i = 0; i < MAX_MISCOUNTED; i++) {
      const namespace = all.victim(network, 1)
      const payer = namespace?.network
      namespace?.after(-Infinity, Infinity, -Infinity).forEach(entry => { this.#charge(namespace, entry.network) })

      if (namespace?.network === payer) {
        return namespace
      }
    }
  }

  /** Counts a namespace for a network if that has fewer of them than the one that it counts for now. */
  #charge (namespace: Namespace, network: Network): void {
    const shares = this.count().soFar

    // Stryker disable next-line ConditionalExpression,LogicalOperator: no network is lighter than itself, which is just found sooner
    if (network !== namespace.network && shares.isLighter(network, namespace.network, 1)) {
      shares.remove(namespace)
      namespace.network = network
      shares.add(namespace)
    }
  }

  /**
   * A network may have left a namespace. If it is the one that it counts for, the few that are there longest are near
   * enough: every other takes it over when it next registers there, if it is the lightest.
   */
  #left (namespace: Namespace, network: Network): void {
    const shares = this.count().soFar

    // Stryker disable next-line ConditionalExpression: to look for the lightest once more than needed finds the same
    if (network === namespace.network) {
      shares.remove(namespace)
      namespace.network = payerOf(namespace, shares)
      shares.add(namespace)
    }
  }
}

/** Of the networks of those who are in a namespace longest, the one that has the fewest others. */
function payerOf (namespace: Namespace, others: FairShares<Namespace>): Network {
  const networks = namespace.after(-Infinity, PAYERS, -Infinity).map(({ network }) => network)

  // nobody is in a new one yet
  return networks.length === 0
    ? namespace.network
    : networks.reduce((payer, network) => others.isLighter(network, payer, 0) ? network : payer)
}
