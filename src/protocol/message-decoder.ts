import { InvalidMessageError } from '@libp2p/interface'
import { InvalidDataLengthError, InvalidDataLengthLengthError } from '@libp2p/utils'
import { decode, encodingLength } from 'uint8-varint'
import { Uint8ArrayList } from 'uint8arraylist'
import { MAX_LENGTH_LENGTH } from './constants.ts'

/**
 * Takes messages out of bytes as they arrive, without waiting. `LengthPrefixedDecoder` of @libp2p/utils
 * does too, but passes over empty messages, which are malformed requests here and count as such, takes in
 * bytes until its buffer is full where a length does not end, cannot tell whether a stream ended inside a
 * message, and keeps each piece of a message with all that was read beside it.
 */
export class MessageDecoder {
  readonly #maxMessageSize: number
  readonly #buffer = new Uint8ArrayList()
  /** Of the message that is arriving, when that much is known. */
  #length: number | undefined

  /**
   * @param maxMessageSize - bytes
   */
  constructor (maxMessageSize: number) {
    this.#maxMessageSize = maxMessageSize
  }

  /** Whether a message has begun and is not whole. */
  get isInside (): boolean {
    return this.#length != null || this.#buffer.byteLength > 0
  }

  push (bytes: Uint8Array): void {
    // a copy of what goes on with a message: many pieces would hold on to all that was read with each
    this.#buffer.append(this.isInside ? new Uint8Array(bytes) : bytes)
  }

  /**
   * @returns the next message; undefined while it is not whole
   * @throws {InvalidDataLengthError} when it is too long
   * @throws {InvalidDataLengthLengthError} when its length does not end
   */
  take (): Uint8ArrayList | undefined {
    this.#length ??= this.#takeLength()

    if (this.#length == null || this.#buffer.byteLength < this.#length) {
      return
    }

    const message = this.#buffer.sublist(0, this.#length)
    this.#buffer.consume(this.#length)
    this.#length = undefined

    return message
  }

  /**
   * @throws {InvalidMessageError} when the bytes end inside a message
   */
  end (): void {
    if (this.isInside) {
      throw new InvalidMessageError('The stream ended inside a message')
    }
  }

  #takeLength (): number | undefined {
    // the usual case: to have `decode` throw takes longer than all else that is done here
    if (this.#buffer.byteLength === 0) {
      return
    }

    let length: number

    try {
      length = decode(this.#buffer)
    } catch {
      if (this.#buffer.byteLength > MAX_LENGTH_LENGTH) {
        throw new InvalidDataLengthLengthError('The length of a message does not end')
      }

      return
    }

    if (length > this.#maxMessageSize) {
      throw new InvalidDataLengthError(`A message of ${length} bytes is longer than ${this.#maxMessageSize}`)
    }

    const written = encodingLength(length)

    // multiformats/unsigned-varint: the shortest form is the only one, and other implementations read no other
    if (this.#buffer.get(written - 1) > 127) {
      throw new InvalidDataLengthLengthError('The length of a message is longer than it has to be')
    }

    this.#buffer.consume(written)

    return length
  }
}
