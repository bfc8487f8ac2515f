import { StreamResetError } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { Uint8ArrayList } from 'uint8arraylist'
import { describe, expect, it } from 'vitest'
import { RemotePoint } from '../../src/client/remote-point.ts'
import { Message } from '../../src/protocol/message.ts'
import { makePeer } from '../fixtures/peers.ts'
import { granted, refusal } from '../fixtures/scripted-point.ts'
import { Tokens } from '../../src/client/tokens.ts'
import type { SealedRecord } from '../../src/client/own-record.ts'

const { ResponseStatus: Status } = Message
const HOUR = 60 * 60_000

interface Sent {
  own: boolean
  other: boolean
  main: 'own' | 'other'
}

/** A point that answers as a test says; what it was sent is told by which form of the record it holds. */
async function remotePoint (answer: (sent: Sent, message: Message) => Message | Error, readsBoth?: boolean, tokens?: Tokens): Promise<{ point: RemotePoint, sent: string[] }> {
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
    wait: async (work: Promise<unknown>) => work,
    reset: () => {}
  }
  const session: any = { isIdle: true, step: async (work: any) => work(turn), close: () => {} }

  return { sent, point: new RemotePoint(peerId, session, () => readsBoth, defaultLogger().forComponent('test'), tokens) }
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

describe('RemotePoint, where a token is shown', () => {
  const MONTH = 30 * 24 * HOUR
  const tokenOf = (name: string): string => `${name}.${Buffer.from(JSON.stringify({ exp: (Date.now() + MONTH) / 1_000 })).toString('base64url')}.`

  /** A point that takes one token alone. */
  async function member (tokens: Tokens, good: () => string): Promise<{ point: RemotePoint, shown: string[] }> {
    const shown: string[] = []
    const { point } = await remotePoint((_, message) => {
      const { register } = message
      shown.push(register?.token?.split('.')[0] ?? 'none')

      return register?.token === good() ? granted() : refusal(message, Status.E_NOT_AUTHORIZED)
    }, true, tokens)

    return { point, shown }
  }

  it('is shown the same as long as it takes it, and another when it does not', async () => {
    const [one, two] = [tokenOf('one'), tokenOf('two')]
    const given = [one, two]
    let good = one
    const { point, shown } = await member(new Tokens(async () => given.shift() as string, 1_000), () => good)
    await point.register('ns', record(), HOUR)
    await point.register('ns', record(), HOUR)
    good = two
    await point.register('ns', record(), HOUR)

    expect(shown).toEqual(['one', 'one', 'one', 'two'])
  })

  it('says that it is refused where there is no other', async () => {
    let asked = 0
    const one = tokenOf('one')
    const { point, shown } = await member(new Tokens(() => { asked++; return one }, 1_000), () => 'another')

    await expect(point.register('ns', record(), HOUR)).rejects.toMatchObject({ name: 'NotAuthorizedError' })
    expect([asked, shown]).toEqual([1, ['one']])
    await expect(point.register('ns', record(), HOUR)).rejects.toMatchObject({ name: 'NotAuthorizedError' })
    expect([asked, shown]).toEqual([2, ['one', 'one']])
  })

  it('is asked nothing where there is none to be had', async () => {
    const failure = new Error('nobody gives one')
    const { point, shown } = await member(new Tokens(async () => { throw failure }, 1_000), () => '')

    await expect(point.register('ns', record(), HOUR)).rejects.toBe(failure)
    expect(shown).toEqual([])
  })

  it('is shown one that is given as it is', async () => {
    const { point, shown } = await member(new Tokens(tokenOf('one'), 1_000), () => '')

    await expect(point.register('ns', record(), HOUR)).rejects.toMatchObject({ name: 'NotAuthorizedError' })
    expect(shown).toEqual(['one'])
  })
})
