// A cluster whose channels move to a node that refuses them: node redis-client.mjs
import { createServer } from 'node:net'
import { createCluster } from '@redis/client'

process.on('unhandledRejection', err => {
  console.log(`unhandled: ${err.message}`)
  process.exit(1)
})

/** The one that has all slots. */
let primary

/** A node that answers what is needed here, and lets nobody hear of a channel unless it may. */
async function node (maySubscribe) {
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.on('data', data => {
      for (const command of data.toString().split(/^\*\d+\r\n/m).slice(1)) {
        const [, name, , first] = command.split('\r\n')
        socket.write(answer(name.toUpperCase(), first))
      }
    })
  })
  await new Promise(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address()

  function answer (name, first) {
    switch (name) {
      case 'HELLO':
        return '%1\r\n$5\r\nproto\r\n:3\r\n'
      case 'CLUSTER':
        return `*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:${primary.port}\r\n$1\r\nx\r\n`
      case 'SSUBSCRIBE':
        return maySubscribe ? `>3\r\n$10\r\nssubscribe\r\n$${first.length}\r\n${first}\r\n:1\r\n` : '-NOPERM No permissions to access a channel\r\n'
      case 'GET':
        return port === primary.port ? '$1\r\nx\r\n' : `-MOVED 0 127.0.0.1:${primary.port}\r\n`
      default:
        return '+OK\r\n'
    }
  }

  return { port }
}

const [one, two] = [await node(true), await node(false)]
primary = one
const cluster = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${one.port}` }], defaults: { maintNotifications: 'disabled' } })
cluster.on('error', () => {})
await cluster.connect()
await cluster.sSubscribe('channel', () => {})
primary = two
await cluster.get('key')
