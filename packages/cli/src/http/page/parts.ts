import { Hono } from 'hono'
import { statusPage } from './page.ts'
import type { Part } from '../types.ts'

/** The page as everybody may see it. */
export const publicPage: Part = ({ operation }) => operation == null
  ? new Hono()
  : statusPage({ ...operation, links: [['/healthz', 'Health'], ['/openapi.json', 'What else can be asked (OpenAPI)']] })

/** The page as whoever runs the point sees it. */
export const privatePage: Part = ({ operation }) => operation == null
  ? new Hono()
  : statusPage({ ...operation, shows: { peers: true, namespaces: true }, links: [['/healthz', 'Health'], ['/metrics', 'Metrics for Prometheus']] })
