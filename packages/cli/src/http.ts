import { createServer } from 'node:http'
import { Failure } from './failures.ts'
import { portProblem } from './ports.ts'
import type { HostPort } from './flags.ts'
import type { AddressInfo } from 'node:net'

export interface HealthServerInit extends HostPort {
  /** Whether the point can be given work. */
  isHealthy: () => boolean | Promise<boolean>
  /** In Prometheus' text format. */
  metrics: () => Promise<{ contentType: string, text: string }>
}

export interface HealthServer {
  url: string
  close: () => void
}

/**
 * Serves `/healthz` and `/metrics`.
 *
 * @throws {Failure}
 */
export async function serveHealth ({ host, port, isHealthy, metrics }: HealthServerInit): Promise<HealthServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0]

    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end()
    } else if (path === '/healthz') {
      Promise.resolve(isHealthy()).then(healthy => {
        response.writeHead(healthy ? 200 : 503, { 'content-type': 'text/plain' }).end(healthy ? 'ok\n' : 'not serving\n')
      }, () => {
        response.writeHead(500).end()
      })
    } else if (path === '/metrics') {
      metrics().then(({ contentType, text }) => {
        response.writeHead(200, { 'content-type': contentType }).end(text)
      }, () => {
        response.writeHead(500).end()
      })
    } else {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('There is /healthz and /metrics\n')
    }
  })

  await new Promise<void>((resolve, reject) => {
    server.once('error', (err: NodeJS.ErrnoException) => {
      reject(new Failure(portProblem(err.code, { host, port }, '--http HOST:PORT'), { cause: err }))
    })
    server.listen({ host, port }, resolve)
  })

  const { port: actual } = server.address() as AddressInfo

  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${actual}`,
    close: () => {
      server.close()
      server.closeAllConnections()
    }
  }
}
