import { setTimeout as delay } from 'node:timers/promises'
import { RendezvousError } from 'libp2p-rendezvous'
import type { DirectNews } from 'libp2p-rendezvous'

/** How soon a reader comes back that has lost its stream, in milliseconds. */
const RETRY = 3_000

export interface StreamedEvent {
  /** What a reader that comes back says it has seen. */
  id: string
  /** JSON, in one line. */
  data: string
}

/**
 * News as server-sent events. They are found out when the reader takes them, so one that is slow is told the sum.
 *
 * @param keepAlive - milliseconds after which something is sent although there is nothing to tell, so that nobody on the way
 * takes the stream for dead
 * @throws what the first news throw
 */
export async function eventStream (news: AsyncGenerator<DirectNews, void>, keepAlive: number, toEvent: (news: DirectNews) => StreamedEvent): Promise<ReadableStream<Uint8Array>> {
  const encoder = new TextEncoder()
  const first = await news.next()
  let next: ReturnType<typeof news.next> | undefined = Promise.resolve(first)

  const write = ({ id, data }: StreamedEvent): Uint8Array => encoder.encode(`event: update\nid: ${id}\ndata: ${data}\n\n`)

  return new ReadableStream({
    start: controller => { controller.enqueue(encoder.encode(`retry: ${RETRY}\n\n`)) },
    pull: async controller => {
      next ??= news.next()

      try {
        const told = await orAfter(next, keepAlive)

        if (told == null) {
          controller.enqueue(encoder.encode(':\n\n'))
        } else if (told.value == null) {
          controller.close()
        } else {
          next = undefined
          controller.enqueue(write(toEvent(told.value)))
        }
      } catch (err) {
        controller.enqueue(encoder.encode(`event: error\ndata: ${JSON.stringify(reasonOf(err))}\n\n`))
        controller.close()
      }
    },
    cancel: async () => {
      // one that waits for the next is ended by its signal
      news.return().catch(() => {})
    }
  }, { highWaterMark: 0 })
}

/** Undefined when it takes longer. */
async function orAfter <T> (promise: Promise<T>, ms: number): Promise<T | undefined> {
  const controller = new AbortController()

  try {
    return await Promise.race([promise, delay(ms, undefined, { signal: controller.signal }).catch(() => undefined)])
  } finally {
    controller.abort()
  }
}

function reasonOf (err: unknown): { status?: string, message: string } {
  return err instanceof RendezvousError && err.status != null
    ? { status: err.status, message: err.statusText ?? '' }
    : { message: 'internal error' }
}
