/** Long enough for any honest name or explanation, short enough for a log line. */
const MAX_LENGTH = 256

/** What others wrote, for logs and terminals: no control characters or ends of lines, and not more than some. */
export function printable (text: string): string {
  // a character that was cut in half goes too
  return text.slice(0, MAX_LENGTH).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, ' ')
}
