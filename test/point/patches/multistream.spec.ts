import { streamPair } from '@libp2p/utils'
import { describe, expect, it } from 'vitest'
import { boundProposals } from '../../../src/point/patches/multistream.ts'
import type { Stream } from '@libp2p/interface'

const ECHO = '/echo/1.0.0'

/** What a stream hands over after so many times a byte that is a proposal of nothing. */
async function sent (count: number, protocol: string): Promise<{ stream: Stream, received: number }> {
  const [outbound, stream] = await streamPair()
  stream.protocol = protocol
  let received = 0
  stream.addEventListener('message', ({ data }) => { received += data.byteLength })
  boundProposals(stream, () => [ECHO])
  outbound.send(new Uint8Array(count))
  await new Promise(resolve => setImmediate(resolve))

  return { stream, received }
}

describe('boundProposals', () => {
  it('ends a stream on which protocols are proposed and proposed', async () => {
    expect((await sent(300, '')).stream.status).toBe('aborted')
  })

  it('lets pass what comes on a stream of which the protocol is agreed already', async () => {
    const { stream, received } = await sent(300, ECHO)

    expect(stream.status).toBe('open')
    expect(received).toBe(300)
  })
})
