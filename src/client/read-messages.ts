import { InvalidDataLengthLengthError, lpStream } from '@libp2p/utils'
import * as varint from 'uint8-varint'
import { MAX_LENGTH_LENGTH } from '../protocol/constants.ts'
import type { Stream } from '@libp2p/interface'
import type { LengthPrefixedStream } from '@libp2p/utils'

/** The names of the errors of a message whose length is wrong: no other stream would make it better. */
export const BROKEN_MESSAGE = new Set(['InvalidDataLengthError', 'InvalidDataLengthLengthError', 'InvalidMessageLengthError'])

/**
 * What comes on a stream, message by message; no more than one of the longest is held at a time.
 *
 * @param maxLength - bytes of a message
 * @param ahead - bytes that may have come beside it
 */
export function readMessages (stream: Stream, maxLength: number, ahead: number = 0): LengthPrefixedStream {
  return lpStream(stream, {
    maxDataLength: maxLength,
    maxBufferSize: maxLength + MAX_LENGTH_LENGTH + ahead,
    // without this a prefix that never ends is read for ever
    lengthDecoder: prefix => {
      if (prefix.byteLength > MAX_LENGTH_LENGTH) {
        throw new InvalidDataLengthLengthError(`The length prefix is longer than ${MAX_LENGTH_LENGTH} bytes`)
      }

      return varint.decode(prefix)
    }
  })
}
