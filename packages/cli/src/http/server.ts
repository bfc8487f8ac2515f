import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { FairPlaces } from 'libp2p-rendezvous'
import { Failure, UsageError } from '../failures.ts'
import { portProblem } from '../ports.ts'
import { operatorRoutes } from './admin.ts'
import { networkOfIp } from './addresses.ts'
import { OPEN_TO_PAGES } from './cors.ts'
import { errorAnswers } from './errors.ts'
import { healthRoutes, metricsRoutes } from './health.ts'
import { namesOf, onlyOwnHosts } from './hosts.ts'
import { privatePage, publicPage } from './page/parts.ts'
import { registryRoutes } from './registry.ts'
import { routingRoutes } from './routing.ts'
import type { HttpEnv, HttpServers, HttpSources, HttpValues, Part } from './types.ts'
import type { HostPort } from '../flags.ts'
import type { HttpBindings } from '@hono/node-server'
import type { Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** Where the command line says nothing else. */
const REQUEST_TIMEOUT = 10_000
const MAX_CONNECTIONS = 1_000

/** Bytes of a request's line and headers; beyond it Node answers 431. */
const MAX_HEADER_SIZE = 8 * 1024

/** How often Node looks for requests that take too long, in milliseconds. */
const LOOK_INTERVAL = 1_000

/** How long a connection may wait for its next request, in milliseconds. */
const IDLE_TIMEOUT = 30_000

/** How long nothing may move on a connection while it is answered, as a multiple of the time for a request to arrive. */
const SILENCE = 6

type Fetch = (request: Request, env: HttpBindings) => Response | Promise<Response>

/** What everybody may ask, in the order in which it is looked for. */
const PUBLIC: Part[] = [healthRoutes, publicPage]

/** What programs ask, by the first part of its path. */
const API: Part[] = [routingRoutes, registryRoutes]
const API_PATH = /^\/(?:routing|network|coordinator|openapi\.json)\b/

/** What is only for whoever runs the point. */
const PRIVATE: Part[] = [healthRoutes, metricsRoutes, privatePage, operatorRoutes]

/**
 * Serves over HTTP what `--http` and `--admin` ask for.
 *
 * @throws {UsageError | Failure}
 */
export async function startHttp (values: HttpValues, sources: HttpSources): Promise<HttpServers> {
  const { http, admin } = values

  if (http != null && http.port !== 0 && http.port === admin?.port && http.host === admin.host) {
    throw new UsageError('--http is for everybody, and --admin is not: give each an address of its own')
  }

  const servers: Server[] = []

  const serve = async (at: HostPort | undefined, flag: string, app: () => Fetch): Promise<string | undefined> => {
    if (at == null) {
      return
    }

    const server = serverOf(app(), values)
    servers.push(server)
    await listen(server, at, flag)

    return urlOf(server, at)
  }

  const close = (): void => {
    servers.forEach(server => {
      server.close()
      server.closeAllConnections()
    })
  }

  try {
    return {
      url: await serve(http, '--http', () => publicApp(admin == null ? [...PUBLIC, metricsRoutes] : PUBLIC, sources, values)),
      adminUrl: await serve(admin, '--admin', () => privateAppOf(PRIVATE, sources, values).fetch),
      close
    }
  } catch (err) {
    close()
    throw err
  }
}

/**
 * What programs ask is asked often, and its answers are a matter of microseconds. So it is apart from pages, and nothing is
 * around its handlers.
 */
function publicApp (parts: Part[], sources: HttpSources, values: HttpValues): Fetch {
  const pages = appOf(parts, sources, values)
  const api = new Hono<HttpEnv>()
  API.forEach(part => api.route('/', part(sources, values)))
  api.notFound(c => c.json({ message: 'there is nothing here; what there is says /openapi.json' }, c.req.path.startsWith('/routing') ? 400 : 404, OPEN_TO_PAGES))
  api.onError(errorAnswers(values, OPEN_TO_PAGES))

  return (request, env) => (API_PATH.test(env.incoming.url ?? '') ? api : pages).fetch(request, env)
}

function appOf (parts: Part[], sources: HttpSources, values: HttpValues, app = new Hono<HttpEnv>()): Hono<HttpEnv> {
  app.use(async (c, next) => {
    c.header('x-content-type-options', 'nosniff')
    await next()
  })
  parts.forEach(part => app.route('/', part(sources, values)))
  app.notFound(c => c.text('There is nothing here\n', 404))
  app.onError(errorAnswers(values))

  return app
}

/** What changes anything must not be reached by pages of strangers in the browser of whoever runs the point. */
function privateAppOf (parts: Part[], sources: HttpSources, values: HttpValues): Hono<HttpEnv> {
  return appOf(parts, sources, values, new Hono<HttpEnv>().use(onlyOwnHosts(namesOf(values))))
}

function serverOf (fetch: Fetch, { requestTimeout = REQUEST_TIMEOUT, maxHttpConnections = MAX_CONNECTIONS }: HttpValues): Server {
  const server = createAdaptorServer({
    // what is created here speaks HTTP/1.1
    fetch: (request, env) => fetch(request, env as HttpBindings),
    serverOptions: {
      maxHeaderSize: MAX_HEADER_SIZE,
      requestTimeout,
      headersTimeout: requestTimeout,
      keepAliveTimeout: IDLE_TIMEOUT,
      connectionsCheckingInterval: Math.min(LOOK_INTERVAL, requestTimeout)
    }
  }) as Server
  const places = new FairPlaces<Socket>(socket => { socket.destroy() })
  server.setTimeout(requestTimeout * SILENCE)
  server.on('connection', socket => { admit(socket, places, maxHttpConnections) })
  // a tunnel; Node would close the connection without a word
  server.on('connect', (_, socket) => { socket.end(bare('405 Method Not Allowed')) })

  return server
}

function admit (socket: Socket, places: FairPlaces<Socket>, max: number): void {
  if (places.take(socket, networkOfIp(socket.remoteAddress ?? ''), max)) {
    socket.once('close', () => { places.release(socket) })
  } else {
    socket.end(bare('503 Service Unavailable', 'retry-after: 5'))
    socket.destroySoon()
  }
}

/** An answer without a request. */
function bare (status: string, ...headers: string[]): string {
  return [`HTTP/1.1 ${status}`, 'connection: close', 'content-length: 0', ...headers, '', ''].join('\r\n')
}

async function listen (server: Server, { host, port }: HostPort, flag: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (err: NodeJS.ErrnoException) => {
      reject(new Failure(portProblem(err.code, { host, port }, `${flag} [HOST:]PORT`), { cause: err }))
    })
    server.listen({ host, port }, resolve)
  })
}

function urlOf (server: Server, { host }: HostPort): string {
  const { port } = server.address() as AddressInfo

  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
