/** Resolves when what else waits for the event loop has had its turn. */
export async function othersHadTheirTurn (): Promise<void> {
  await new Promise<void>(resolve => {
    // in Node, timers that set timers can go on without the network having a turn; browsers have nothing else
    (globalThis.setImmediate ?? setTimeout)(resolve)
  })
}
