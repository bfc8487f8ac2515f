import { createLibp2p } from 'libp2p'
import { browserInit } from 'libp2p-rendezvous/browser'

const PROTOCOL = '/chat/1.0.0'
const element = id => document.getElementById(id)
const nameOf = peer => peer.toString().slice(-6)

// the addresses of the point, from whoever serves this page; yours can be a line in your code
const points = await (await fetch('points.json')).json()

const node = await createLibp2p(browserInit({ points, namespaces: ['chat'] }))
const { rendezvous } = node.services
element('me').textContent = nameOf(node.peerId)

function show (who, text) {
  const item = document.createElement('li')
  item.textContent = `${who}: ${text}`
  element('said').prepend(item)
}

function showWhoIsHere () {
  element('here').textContent = rendezvous.discovered.map(({ id }) => nameOf(id)).join(', ')
}

rendezvous.addEventListener('peer', showWhoIsHere)
rendezvous.addEventListener('peer:expired', showWhoIsHere)
rendezvous.addEventListener('registration:granted', () => { element('status').textContent = '' })
rendezvous.addEventListener('unreachable', ({ detail }) => { element('status').textContent = detail.reason })

// a message is a stream: its bytes, to the end
await node.handle(PROTOCOL, async (stream, connection) => {
  const decoder = new TextDecoder()
  let text = ''

  for await (const bytes of stream) {
    text += decoder.decode(bytes.subarray(), { stream: true })
  }

  await stream.close()
  show(nameOf(connection.remotePeer), text)
})

document.querySelector('form').addEventListener('submit', async event => {
  event.preventDefault()
  const text = event.target.text.value
  event.target.reset()
  show('you', text)

  for (const { id } of rendezvous.discovered) {
    try {
      const stream = await node.dialProtocol(id, PROTOCOL)
      stream.send(new TextEncoder().encode(text))
      await stream.close()
    } catch (err) {
      show(nameOf(id), `could not be reached: ${err.message}`)
    }
  }
})
