/** The server answers, but a store cannot be kept there; the message says why. */
export class UnusableServerError extends Error {
  override name = 'UnusableServerError'
}
