import type { Action } from './actions.ts'
import type { PeerId, PrivateKey } from '@libp2p/interface'

/** A network, to whoever may let peers in. */
export interface OwnedNetwork {
  /** Its public key, as a peer id: what points and peers know it by. */
  id: string
  /** Whoever has it lets peers in. */
  privateKey: PrivateKey
}

/** What a token says, once it has been found to be true. */
export interface Membership {
  /** Of the token, to revoke it by. */
  id: string
  /** The network: its public key, as a peer id. */
  issuer: string
  /** The peer that it is for. */
  peer: string
  /** Namespaces: one that ends in `*` stands for all that begin with what is before it. */
  namespaces: string[]
  actions: Action[]
  /** From when on it is good, in milliseconds since the epoch. */
  notBefore: number
  /** When it ends, in milliseconds since the epoch. */
  expires: number
}

/** What a peer is given. */
export interface TokenInit {
  /** The key of the network, of Ed25519. */
  privateKey: PrivateKey
  /** The only one who can use it. */
  peer: PeerId | string
  /**
   * Where it may: namespaces, of which one that ends in `*` stands for all that begin with what is before it.
   *
   * @default ['*']
   */
  namespaces?: string[]
  /**
   * What it may do there.
   *
   * @default ['register', 'discover']
   */
  actions?: Action[]
  /**
   * Milliseconds that it is good for.
   *
   * @default 2_592_000_000 (30 days)
   */
  lifetime?: number
  /**
   * From when on it is good, in milliseconds since the epoch.
   *
   * @default Date.now()
   */
  notBefore?: number
  /**
   * By which it can be revoked: up to 64 letters, digits and `-_.:`
   *
   * @default a random one
   */
  id?: string
}

/** Whom to believe. */
export interface Trust {
  /** The networks whose tokens are good: their public keys, as peer ids. */
  issuers: string[]
  /**
   * What is good no longer, before its end: ids of tokens, and peer ids. It is looked up each time.
   *
   * @default nothing
   */
  revoked?: Pick<ReadonlySet<string>, 'has'>
  /**
   * Milliseconds by which clocks may differ.
   *
   * @default 60_000
   */
  tolerance?: number
}

/** What a token is to be good for. */
export interface Claim {
  /** Who shows it, as the connection's handshake has proved it. */
  peer: PeerId | string
  /** What is asked for; absent where to be a member is enough. */
  request?: { action: Action, /** Undefined for all namespaces. */ namespace: string | undefined }
}
