// A length prefix that does not end is read for ever: node js-libp2p-utils.mjs
import { lpStream, streamPair } from '@libp2p/utils'

const [theirs, ours] = await streamPair()
const failures = []
lpStream(ours, { maxDataLength: 1_024 }).read().catch(err => { failures.push(err.message) })
const endless = new Uint8Array(64 * 1_024).fill(0x80)
let sent = 0

while (sent < 3 * 1_024 * 1_024 && failures.length === 0) {
  theirs.send(endless)
  sent += endless.byteLength
  await new Promise(resolve => setTimeout(resolve, 5))
}

console.log(`${sent} bytes of one length, of which two at the most make sense: ${failures.length === 0 ? 'still reading' : `refused, ${failures[0]}`}`)
process.exit()
