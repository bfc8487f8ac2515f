/** In the process of a program that is attacked: says for each message what it has used. */

process.on('disconnect', () => { process.exit() })
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.({ time: user + system, memory: process.memoryUsage.rss() })
})
