import * as varint from 'uint8-varint'
import { Uint8ArrayList } from 'uint8arraylist'
import type { Stream } from '@libp2p/interface'

/** Protocols that may be proposed on one stream; nobody has as many. */
const MAX_PROPOSALS = 20

/** Bytes of a proposal, and of its length: longer ones are refused by multistream itself. */
const MAX_LENGTH = 1_024
const MAX_LENGTH_LENGTH = 2

const decoder = new TextDecoder()

/**
 * Ends a stream on which protocols are proposed and proposed. @libp2p/multistream-select 7 answers any number of
 * proposals, as they come, and nobody else has a turn meanwhile: three bytes hold the event loop for some 15 µs.
 *
 * @param protocols - those that there are: what follows one of them is not for multistream
 */
export function boundProposals (stream: Stream, protocols: () => string[]): void {
  // there is no event: to listen to messages would be to take them from whoever is to come
  const inside = stream as Stream & { onData?: (data: Uint8Array | Uint8ArrayList) => void }
  const onData = inside.onData?.bind(stream)
  const unread = new Uint8ArrayList()
  let proposals = 0

  if (onData == null) {
    return
  }

  inside.onData = data => {
    // its protocol was agreed before anybody counted: a connection is told of when it has its first streams
    if (stream.protocol !== '') {
      delete inside.onData
      onData(data)

      return
    }

    unread.append(data)

    for (let proposal = take(unread); proposal != null; proposal = take(unread)) {
      if (protocols().includes(proposal)) {
        delete inside.onData
        break
      }

      if (++proposals > MAX_PROPOSALS) {
        stream.abort(new Error(`More than ${MAX_PROPOSALS} protocols were proposed`))
        return
      }
    }

    // what multistream cannot read either is its to refuse
    if (unread.byteLength > MAX_LENGTH_LENGTH + MAX_LENGTH) {
      delete inside.onData
    }

    onData(data)
  }
}

/** Takes the next proposal, if all of it is there: a line, with its length before it. */
function take (unread: Uint8ArrayList): string | undefined {
  let length: number

  try {
    length = varint.decode(unread)
  } catch {
    // not all of it is there, or it is none
    return
  }

  const start = varint.encodingLength(length)

  if (length > MAX_LENGTH || unread.byteLength < start + length) {
    return
  }

  const line = decoder.decode(unread.subarray(start, start + length))
  unread.consume(start + length)

  // exactly: whatever else it is, multistream refuses, and reads on
  return line.slice(0, -1)
}
