import { generateKeyPair } from '@libp2p/crypto/keys'
import { memoryStore, persistentStore } from 'libp2p-rendezvous'
import { ClosedNamespaces } from './closed-namespaces.ts'
import { defaultDataDirectory, openDataDirectory, salvageCommand } from './data-directory.ts'
import { Failure, lineFor } from './failures.ts'
import { Monitor } from './http/page/monitor.ts'
import { showsOf } from './http/page/shows.ts'
import { introduce } from './introduction.ts'
import { asksForWebRtc, listenOn } from './listening.ts'
import { membersOf } from './members.ts'
import { operatorOf } from './operator.ts'
import { counted } from './output.ts'
import { pointInit } from './point-init.ts'
import { PointLog } from './point-log.ts'
import { introductionOf, isServing, startNode } from './point-node.ts'
import { checkPorts } from './ports.ts'
import { roomFor } from './room.ts'
import { openHttp, serveUntil } from './serving.ts'
import { sharedStore } from './shared-store.ts'
import { ownVersion } from './version.ts'
import { loadWebRtc } from './web-rtc-direct.ts'
import type { PointFlags } from './options.ts'
import type { FlagValues } from './flags.ts'
import type { CommandContext } from './context.ts'
import type { Reporter } from './http/page/reporter.ts'
import type { PointNode } from './point-node.ts'

type Values = FlagValues<PointFlags>

/**
 * Runs a rendezvous point until it is asked to end.
 */
export async function runPoint (values: Values, { output, signal }: CommandContext): Promise<number> {
  const init = pointInit(values)
  const note = (text: string): void => { output.note(text) }
  const log = new PointLog(output, { json: values.json === true, verbose: values.verbose === true })

  return serveUntil(signal, log, async closing => {
    let node: PointNode | undefined
    let reporter: Reporter | undefined

    const webRtc = await webRtcFor(values, note)
    const listen = listenOn(values, webRtc != null)
    await checkPorts(listen)
    const data = values.memory === true ? undefined : await openDataDirectory(values.data ?? defaultDataDirectory())
    closing(async () => data?.close())

    if (values.network != null) {
      const members = await membersOf(values.network, note)
      closing(() => { members.close() })
      init.authorize = members.authorize
    }

    const closed = await ClosedNamespaces.load(data?.path)
    const isHealthy = (): boolean => isServing(node, signal)
    const monitor = new Monitor({
      version: await ownVersion(),
      limits: { ...values, ...roomFor(values) },
      self: () => ({ peerId: String(node?.peerId), addresses: node?.getMultiaddrs().map(String) ?? [] }),
      isServing: isHealthy,
      read: async () => reporter?.read(),
      fullest: async () => await reporter?.fullest() ?? [],
      closed: () => closed.names
    })
    const http = await openHttp(values, {
      get node () { return node },
      isHealthy,
      operation: { monitor, shows: showsOf(values), operator: operatorOf(() => node?.services.rendezvousPoint, closed) },
      metrics: async () => {
        const { register } = await import('prom-client')

        return { contentType: register.contentType, text: await register.metrics() }
      }
    }, closing, data?.path)

    const shared = values.store == null ? undefined : await sharedStore(values, note)
    closing(async () => shared?.stop?.())

    const own = data == null || shared != null ? undefined : persistentStore({ datastore: data.datastore, readAll: data.readAll })
    const store = shared ?? own ?? memoryStore()
    const started = node = await startNode({ values, init, listen: listen.map(String), privateKey: data?.privateKey ?? await generateKeyPair('Ed25519'), store, path: data?.path, closed: closed.names, webRtc, note })
    closing(async () => started.stop())

    if (http != null) {
      reporter = new (await import('./http/page/reporter.ts')).Reporter(node, store)
      closing(() => { monitor.stop() })
      await monitor.start()
    }

    introduce(output, values, introductionOf(node, values), { data, http })

    if (own != null && own.corruptEntries > 0) {
      output.note(`${counted(own.corruptEntries, 'damaged registration')} in ${data?.path} ${own.corruptEntries === 1 ? 'was' : 'were'} left out; when the point is stopped, this clears it up: ${salvageCommand(String(data?.path))}`)
    }

    data?.notes.forEach(note)

    log.follow(node.services.rendezvousPoint, values.quiet === true)
  })
}

/**
 * WebRTC-direct, where it is to be listened on. Where nobody asked for it, a point does without.
 *
 * @throws {Failure} when it was asked for and cannot be had
 */
async function webRtcFor (values: Values, note: (text: string) => void): Promise<Awaited<ReturnType<typeof loadWebRtc>>> {
  const asked = asksForWebRtc(values)

  if (asked === 'no') {
    return
  }

  try {
    const webRtc = await loadWebRtc()

    if (webRtc == null && asked === 'yes') {
      throw new Failure('to listen on WebRTC-direct takes @libp2p/webrtc, which is not installed: npm install --omit=peer @libp2p/webrtc, beside this program')
    }

    return webRtc
  } catch (err) {
    if (asked === 'yes') {
      throw err
    }

    note(`The point does not listen on WebRTC-direct: ${lineFor(err)}`)
  }
}
