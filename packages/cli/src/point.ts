import { generateKeyPair } from '@libp2p/crypto/keys'
import { persistentStore } from 'libp2p-rendezvous'
import { defaultDataDirectory, openDataDirectory, salvageCommand } from './data-directory.ts'
import { Failure, lineFor } from './failures.ts'
import { serveHealth } from './http.ts'
import { introduce } from './introduction.ts'
import { asksForWebRtc, listenOn } from './listening.ts'
import { membersOf } from './members.ts'
import { counted } from './output.ts'
import { pointInit } from './point-init.ts'
import { PointLog } from './point-log.ts'
import { introductionOf, isServing, startNode } from './point-node.ts'
import { checkPorts } from './ports.ts'
import { sharedStore } from './shared-store.ts'
import { aborted } from './signals.ts'
import { loadWebRtc } from './web-rtc-direct.ts'
import type { PointFlags } from './options.ts'
import type { FlagValues } from './flags.ts'
import type { HealthServer } from './http.ts'
import type { CommandContext } from './context.ts'
import type { PointNode } from './point-node.ts'

type Values = FlagValues<PointFlags>

/**
 * Runs a rendezvous point until it is asked to end.
 */
export async function runPoint (values: Values, { output, signal }: CommandContext): Promise<number> {
  const init = pointInit(values)
  const note = (text: string): void => { output.note(text) }
  const log = new PointLog(output, { json: values.json === true, verbose: values.verbose === true })
  const opened: Array<() => unknown> = []
  let node: PointNode | undefined

  try {
    const webRtc = await webRtcFor(values, note)
    const listen = listenOn(values, webRtc != null)
    await checkPorts(listen)
    const data = values.memory === true ? undefined : await openDataDirectory(values.data ?? defaultDataDirectory())
    opened.unshift(async () => data?.close())

    if (values.network != null) {
      const members = await membersOf(values.network, note)
      opened.unshift(() => { members.close() })
      init.authorize = members.authorize
    }

    const health = await startHealth(values, () => isServing(node, signal))
    opened.unshift(() => health?.close())

    const shared = values.store == null ? undefined : await sharedStore(values, note)
    opened.unshift(async () => shared?.stop?.())

    const own = data == null || shared != null ? undefined : persistentStore({ datastore: data.datastore, readAll: data.readAll })
    node = await startNode({ values, init, listen: listen.map(String), privateKey: data?.privateKey ?? await generateKeyPair('Ed25519'), store: shared ?? own, path: data?.path, webRtc, note })
    introduce(output, values, introductionOf(node, values), { data, health })

    if (own != null && own.corruptEntries > 0) {
      output.note(`${counted(own.corruptEntries, 'damaged registration')} in ${data?.path} ${own.corruptEntries === 1 ? 'was' : 'were'} left out; when the point is stopped, this clears it up: ${salvageCommand(String(data?.path))}`)
    }

    data?.notes.forEach(note)

    log.follow(node.services.rendezvousPoint, values.quiet === true)

    await aborted(signal)
    log.report('stopping', 'Finishing what is in flight')
    await node.stop()

    return 0
  } finally {
    for (const close of opened) {
      await close()
    }

    if (signal.aborted) {
      log.report('stopped', 'Stopped')
    }
  }
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

async function startHealth ({ http }: Values, isHealthy: () => boolean): Promise<HealthServer | undefined> {
  if (http == null) {
    return
  }

  const { register } = await import('prom-client')

  return serveHealth({
    ...http,
    isHealthy,
    metrics: async () => ({ contentType: register.contentType, text: await register.metrics() })
  })
}
