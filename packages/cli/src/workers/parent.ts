import { privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { ClosedNamespaces } from '../closed-namespaces.ts'
import { defaultDataDirectory, openDataDirectory } from '../data-directory.ts'
import { formatDuration } from '../durations.ts'
import { Monitor } from '../http/page/monitor.ts'
import { merged } from '../http/page/readings.ts'
import { showsOf } from '../http/page/shows.ts'
import { introduce } from '../introduction.ts'
import { listenOn } from '../listening.ts'
import { operatorOfFleet } from '../operator.ts'
import { pointInit } from '../point-init.ts'
import { PointLog } from '../point-log.ts'
import { checkPorts } from '../ports.ts'
import { roomFor } from '../room.ts'
import { openHttp, serveUntil } from '../serving.ts'
import { ownVersion } from '../version.ts'
import { Fleet } from './fleet.ts'
import type { CommandContext } from '../context.ts'
import type { FlagValues } from '../flags.ts'
import type { Introduction } from '../introduction.ts'
import type { PointFlags } from '../options.ts'

type Values = FlagValues<PointFlags>

/**
 * Runs a rendezvous point in several processes until this one is asked to end. This one has the ports and the data
 * directory, and hands connections on to the others in turns.
 */
export async function runWorkers (values: Values, { output, signal }: CommandContext): Promise<number> {
  // what cannot be is better said once
  pointInit(values)
  const log = new PointLog(output, { json: values.json === true, verbose: values.verbose === true })

  return serveUntil(signal, log, async closing => {
    // one that is started again listens at the same port as before
    const listen = await checkPorts(listenOn(values, false))
    const data = await openDataDirectory(values.data ?? defaultDataDirectory())
    closing(async () => data.close())

    const closed = await ClosedNamespaces.load(data.path)
    const fleet = new Fleet({
      workers: values.workers as number,
      start: { privateKey: privateKeyToProtobuf(data.privateKey), listen, get closed () { return closed.names } },
      onEnded: (worker, reason, pause) => {
        log.report('worker:ended', `Worker ${worker} has ended (${reason}), and is started again${pause === 0 ? '' : ` in ${formatDuration(pause)}`}`, { worker, reason })
      },
      onStarted: (worker, pid) => { log.report('worker:started', `Worker ${worker} serves again, as process ${pid}`, { worker, pid }) }
    })

    let self = { peerId: '', addresses: [] as string[] }
    const isHealthy = async (): Promise<boolean> => !signal.aborted && (await fleet.ask('isServing')).every(isServing => isServing === true)
    const monitor = new Monitor({
      version: await ownVersion(),
      limits: { ...values, ...roomFor(values) },
      self: () => self,
      isServing: isHealthy,
      read: async () => {
        const readings = (await fleet.ask('reading')).filter(reading => reading != null)

        return readings.length === 0 ? undefined : merged(readings)
      },
      fullest: async () => await fleet.askOne('fullest') ?? [],
      closed: () => closed.names
    })
    const http = await openHttp(values, {
      node: undefined,
      isHealthy,
      operation: { monitor, shows: showsOf(values), operator: operatorOfFleet(fleet, closed) },
      metrics: async () => {
        const { mergeMetrics } = await import('./metrics.ts')
        const told = await fleet.ask('metrics')

        return mergeMetrics(told.map((metrics, index) => ({ metrics, restarts: fleet.restarts[index] ?? 0 })))
      }
    }, closing, data.path)
    closing(async () => fleet.end())

    const [point] = await fleet.start() as [Introduction]
    self = point

    if (http != null) {
      closing(() => { monitor.stop() })
      await monitor.start()
    }

    introduce(output, values, point, { data, http, workers: fleet.pids })
    data.notes.forEach(note => { output.note(note) })
  })
}
