import { connect } from 'node:net'
import type { Socket } from 'node:net'

/** A connection of which a test says each byte. */
export interface RawConnection {
  socket: Socket
  /** All that has come, once the other side has closed it. */
  ended: Promise<string>
  /** Resolves when this has come. */
  until: (text: string) => Promise<string>
}

export async function rawConnection (url: string): Promise<RawConnection> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let received = ''
  let onData = (): void => {}
  socket.setEncoding('latin1').on('data', text => {
    received += String(text)
    onData()
  })
  socket.on('error', () => {})
  const ended = new Promise<string>(resolve => { socket.once('close', () => { resolve(received) }) })
  await new Promise<void>(resolve => { socket.once('connect', resolve) })

  return {
    socket,
    ended,
    until: async text => new Promise(resolve => {
      onData = () => {
        if (received.includes(text)) {
          resolve(received)
        }
      }
      onData()
    })
  }
}

/** What is answered to these bytes before the connection is closed, which most of them ask for. */
export async function rawAnswer (url: string, bytes: string): Promise<string> {
  const { socket, ended } = await rawConnection(url)
  socket.write(bytes, 'latin1')

  return ended
}

/** A request after which the connection is closed. */
export function rawRequest (line: string, ...headers: string[]): string {
  return [`${line} HTTP/1.1`, ...(headers.some(header => /^host:/i.test(header)) ? [] : ['host: 127.0.0.1']), 'connection: close', ...headers, '', ''].join('\r\n')
}

/** The status of an answer, or of each of several. */
export function statuses (answer: string): number[] {
  return [...answer.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status))
}
