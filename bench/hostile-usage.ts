import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** In the process of a program that is attacked: says for each message what it has used, and what it holds. */

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

process.on('disconnect', () => { process.exit() })
process.on('message', async () => {
  const { user, system } = process.cpuUsage()
  // what is not collected yet is nothing that is held
  collect()
  // buffers are given back a turn after those that held them
  await turn()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  process.send?.({ time: user + system, memory: heapUsed + external })
})
