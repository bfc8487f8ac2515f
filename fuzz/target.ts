import type { MaybePromise } from '../src/protocol/maybe-promise.ts'
import type { Mutation } from './fields.ts'

/** What a message is made of, in numbers: zeros make a plain one, so that shrinking ends there. */
export interface Choice {
  what: number
  who: number
  which: number
  more: number
  mutations: readonly Mutation[]
}

/** Something that is sent messages. */
export interface Target<M = any> {
  /**
   * A fresh one. Nothing of the one before makes a difference to it, but for what was verified.
   *
   * @param setup - what its limits are made of
   */
  begin: (setup: readonly number[]) => Run<M>
}

export interface Run<M = any> {
  /** Makes a message by what has happened so far. It is JSON and has all that it takes to send it again. */
  message: (choice: Choice) => M
  /** Sends it, and throws when anything is then not as it has to be. */
  send: (message: M) => MaybePromise<void>
}

export function hex (bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

export function unhex (text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'))
}
