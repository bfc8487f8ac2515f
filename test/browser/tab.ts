/** What runs in a tab: a node that greets everybody whom it finds. */

import { createLibp2p } from 'libp2p'
import { browserInit } from '../../src/browser/index.ts'
import { Greeter } from './greeter.ts'
import type { State } from './greeter.ts'

export type { Heard, State } from './greeter.ts'

let greeter: Greeter | undefined

/** @returns the peer id */
export async function start (points: string[], namespace: string): Promise<string> {
  const node = await createLibp2p(browserInit({ points, namespaces: [namespace] }))
  greeter = await Greeter.start(node, namespace)

  return String(node.peerId)
}

export const say = async (to: string, text: string): Promise<void> => greeter?.say(to, text)
export const state = (): State | undefined => greeter?.state()
