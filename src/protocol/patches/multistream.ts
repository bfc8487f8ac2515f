import type { Stream } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

/** Protocols that may be proposed on one stream; nobody has as many. */
const MAX_PROPOSALS = 20

const NEWLINE = 0x0a
const MAX_PROTOCOL_LENGTH = 1_024
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
  let proposals = 0

  if (onData == null) {
    return
  }

  inside.onData = data => {
    if (stream.protocol !== '') {
      delete inside.onData
    } else {
      proposals += countProposals(data.subarray(), protocols)

      if (proposals > MAX_PROPOSALS) {
        stream.abort(new Error(`More than ${MAX_PROPOSALS} protocols were proposed`))
        return
      }
    }

    onData(data)
  }
}

/** Each is a line, with its length before it. */
function countProposals (bytes: Uint8Array, protocols: () => string[]): number {
  let count = 0
  let start = 0

  for (let end = bytes.indexOf(NEWLINE); end !== -1 && count <= MAX_PROPOSALS; end = bytes.indexOf(NEWLINE, start)) {
    const line = decoder.decode(bytes.subarray(Math.max(start, end - MAX_PROTOCOL_LENGTH), end))
    count++
    start = end + 1

    if (protocols().some(protocol => line.endsWith(protocol))) {
      break
    }
  }

  return count
}
