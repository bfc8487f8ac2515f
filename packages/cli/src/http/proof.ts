import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { RecordEnvelope } from '@libp2p/peer-record'
import { base64url } from 'multiformats/bases/base64'
import { BadRequest } from './errors.ts'
import type { PeerId, PrivateKey, PublicKey } from '@libp2p/interface'

/**
 * Over libp2p the handshake proves who asks. Over HTTP nothing does: a signed record does not, for a peer gives a fresh one to
 * everybody it identifies itself to, and a token does not, for it says who was let in, and not who shows it. So whoever
 * changes something signs what it asks, in a signed envelope (libp2p RFC 0002): for this one request, at this one point, now.
 */
const DOMAIN = 'libp2p-rendezvous-http'
const PAYLOAD_TYPE = new TextEncoder().encode('/libp2p-rendezvous/http-request')

/** The header that has it, in multibase base64url. */
export const PROOF_HEADER = 'peer-proof'

/** Milliseconds by which clocks may differ, and for which a proof is good. */
const TOLERANCE = 60_000

/** What is asked, and of whom. */
export interface Asked {
  method: string
  /** Of the URL, as it is sent: with its escapes, without its query. */
  path: string
  /** The peer id of the point. */
  point: string
}

/** Signs what is asked. */
export async function prove (privateKey: PrivateKey, asked: Asked, now: number): Promise<string> {
  const envelope = await RecordEnvelope.seal({
    domain: DOMAIN,
    codec: PAYLOAD_TYPE,
    marshal: () => new TextEncoder().encode(payloadOf(asked, now)),
    equals: () => false
  }, privateKey)

  return base64url.encode(envelope.marshal())
}

/**
 * Who has signed what is asked.
 *
 * @param verifying - called before the signature is verified
 * @throws {BadRequest} when there is no proof of it; what `verifying` throws
 */
export async function provedBy (proof: string | undefined, asked: Asked, now: number, verifying: (key: PublicKey) => void): Promise<PeerId> {
  if (proof == null) {
    throw missing('who asks has to prove it', asked)
  }

  const envelope = open(proof)
  const [request, point, time] = new TextDecoder().decode(envelope?.payload).split('\n')

  if (envelope == null || request !== `${asked.method} ${asked.path}` || point !== asked.point) {
    throw missing(`the proof is for something else than ${asked.method} ${asked.path} at ${asked.point}`, asked)
  }

  // what is not a number is not within it either
  if (!(Math.abs(now - Number(time)) <= TOLERANCE)) {
    throw missing('the proof is of another time', asked)
  }

  verifying(envelope.publicKey)

  if (!await envelope.validate(DOMAIN).catch(() => false)) {
    throw missing('the signature does not match the proof', asked)
  }

  return peerIdFromPublicKey(envelope.publicKey)
}

function payloadOf ({ method, path, point }: Asked, time: number): string {
  return [`${method} ${path}`, point, time].join('\n')
}

function open (proof: string): RecordEnvelope | undefined {
  try {
    return RecordEnvelope.createFromProtobuf(base64url.decode(proof as `u${string}`))
  } catch {}
}

function missing (problem: string, { point }: Asked): BadRequest {
  return new BadRequest(401, problem, { 'www-authenticate': `Peer-Proof point="${point}"` })
}
