import { tellAdminAddress } from './admin-address.ts'
import { aborted } from './signals.ts'
import type { HttpServers, HttpSources, HttpValues } from './http/types.ts'
import type { PointLog } from './point-log.ts'

/** Notes how to close something. What was opened last is closed first. */
export type Closing = (close: () => unknown) => void

/**
 * Serves until it is asked to end, and closes what was opened.
 *
 * @param open - begins to serve
 * @returns the exit code
 * @throws what `open` throws, or else the first that could not be closed
 */
export async function serveUntil (signal: AbortSignal, log: PointLog, open: (closing: Closing) => Promise<void>): Promise<number> {
  const opened: Array<() => unknown> = []
  const failures: unknown[] = []

  try {
    await open(close => { opened.unshift(close) })
    await aborted(signal)
    log.report('stopping', 'Finishing what is in flight')
  } catch (err) {
    failures.push(err)
  }

  for (const close of opened) {
    try {
      await close()
    } catch (err) {
      failures.push(err)
    }
  }

  if (signal.aborted) {
    log.report('stopped', 'Stopped')
  }

  if (failures.length > 0) {
    throw failures[0]
  }

  return 0
}

/**
 * Serves over HTTP, where that is asked for, until what was opened is closed.
 *
 * @param directory - of the data, beside which it is said where the point is administered
 */
export async function openHttp (values: HttpValues, sources: HttpSources, closing: Closing, directory: string | undefined): Promise<HttpServers | undefined> {
  if (values.http == null && values.admin == null) {
    return
  }

  // it takes a while, and not everybody wants it
  const { startHttp } = await import('./http/server.ts')
  const servers = await startHttp(values, sources)
  closing(() => { servers.close() })

  if (directory != null && servers.adminUrl != null) {
    closing(await tellAdminAddress(directory, servers.adminUrl))
  }

  return servers
}
