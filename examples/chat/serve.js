// Builds the page and serves it, together with a point: `npm run example:chat`. Two people who open the page talk.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'

const page = name => new URL(name, import.meta.url)

// a point for pages is one that is a relay, too
const point = spawn(process.execPath, [
  page('../../node_modules/.bin/libp2p-rendezvous').pathname, 'point', '--json', '--quiet', '--memory', '--relay', '--listen', '/ip4/127.0.0.1/tcp/0/ws'
], { stdio: ['ignore', 'pipe', 'inherit'] })
const { value: introduction } = await createInterface({ input: point.stdout })[Symbol.asyncIterator]().next()
const { addresses } = JSON.parse(introduction)

const { outputFiles: [script] } = await build({
  entryPoints: [page('chat.js').pathname],
  bundle: true,
  format: 'esm',
  minify: true,
  write: false
})

const files = {
  '/': ['text/html', await readFile(page('index.html'))],
  '/chat.js': ['text/javascript', script.contents],
  '/points.json': ['application/json', JSON.stringify(addresses)]
}

const server = createServer(({ url }, response) => {
  const [type, content] = files[url] ?? []
  response.writeHead(content == null ? 404 : 200, { 'content-type': type ?? 'text/plain' }).end(content)
})
server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1')
await once(server, 'listening')
console.log(`http://127.0.0.1:${server.address().port}/`)

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    point.kill()
    server.close()
    server.closeAllConnections()
  })
}
