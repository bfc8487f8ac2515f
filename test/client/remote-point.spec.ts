import { StreamResetError } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { Uint8ArrayList } from 'uint8arraylist'
import { describe, expect, it } from 'vitest'
import { RemotePoint } from '../../src/client/remote-point.ts'
import { Message } from '../../src/protocol/message.ts'
import { makePeer } from '../fixtures/peers.ts'
import { granted, refusal } from '../fixtures/scripted-point.ts'
import type { SealedRecord } from '../../src/client/own-record.ts'

const { ResponseStatus: Status } = Message
const HOUR = 60 * 60_000

interface Sent {
  own: boolean
  other: boolean
  main: 'own' | 'other'
}

/** A point that answers as a test says; what it was sent is told by which form of the record it holds. */
async function remotePoint (answer: (sent: Sent, message: Message) => Message | Error, readsBoth?: boolean): Promise<{ point: RemotePoint, sent: string[] }> {
  const sent: string[] = []
  const { peerId } = await makePeer()
  const turn = {
    request: async (bytes: Uint8Array) => {
      const message = Message.decode(bytes)
      const { signedPeerRecord, otherSignedPeerRecord } = message.register!
      const forms = [signedPeerRecord, otherSignedPeerRecord].flatMap(record => record == null ? [] : record[0] === 1 ? 'own' : 'other')
      sent.push(forms.join('+'))
      const response = answer({ main: forms[0] as Sent['main'], own: forms.includes('own'), other: forms.includes('other') }, message)

      if (response instanceof Error) {
        throw response
      }

      return new Uint8ArrayList(Message.encode(response))
    },
    tell: async () => {},
    reset: () => {}
  }
  const session: any = { isIdle: true, step: async (work: any) => work(turn), close: () => {} }

  return { sent, point: new RemotePoint(peerId, session, () => readsBoth, defaultLogger().forComponent('test')) }
}

function record (size = 300): SealedRecord {
  return { fingerprint: 'f', envelope: new Uint8Array(size).fill(1), inOtherForm: async () => new Uint8Array(size + 27).fill(2) }
}

describe('RemotePoint, asked to register', () => {
  it('is sent the record in both forms where it takes both, however large they are', async () => {
    const { point, sent } = await remotePoint(() => granted(), true)
    await point.register('ns', record(), HOUR)
    await point.register('ns', record(2_600), HOUR)

    expect(sent).toEqual(['own+other', 'own+other'])
  })

  it('is sent one form where it does not, and the other is not even signed', async () => {
    const { point, sent } = await remotePoint(() => granted(), false)
    await point.register('ns', { ...record(), inOtherForm: async () => { throw new Error('it was signed') } }, HOUR)

    expect(sent).toEqual(['own'])
  })

  it('is sent both before it has said what it speaks, but no more than any point reads', async () => {
    const sizes: number[] = []
    const { point, sent } = await remotePoint((_, message) => {
      sizes.push(Message.encode(message).byteLength)

      return granted()
    })
    const longest = 'n'.repeat(255)
    await point.register(longest, record(), 72 * HOUR)
    await point.register(longest, record((3_800 - 27) / 2), 72 * HOUR)
    await point.register(longest, record((3_800 - 27) / 2 + 1), 72 * HOUR)

    expect(sent).toEqual(['own+other', 'own+other', 'own'])
    // what nim-libp2p's points read
    expect(Math.max(...sizes)).toBeLessThanOrEqual(4_096)
    expect(sizes[1]).toBeGreaterThan(4_000)
  })

  it.each([undefined, false, true])('is sent the other form alone when it cannot read the first, and that one first from then on (takes both: %s)', async readsBoth => {
    const { point, sent } = await remotePoint(({ main }) => main === 'other' ? granted() : new StreamResetError(), readsBoth)
    await point.register('ns', record(), HOUR)
    await point.register('ns', record(), HOUR)

    expect(sent).toEqual(readsBoth === false ? ['own', 'other', 'other'] : ['own+other', 'other', 'other+own'])
  })

  it('is not sent the other form when it refuses for another reason', async () => {
    const { point, sent } = await remotePoint((_, message) => refusal(message, Status.E_UNAVAILABLE), true)

    await expect(point.register('ns', record(), HOUR)).rejects.toMatchObject({ name: 'UnavailableError' })
    expect(sent).toHaveLength(1)
  })
})
