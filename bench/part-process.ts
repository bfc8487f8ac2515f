import type { Part, PartMessage } from './part.ts'

/** Runs the part that the first argument names, at the sizes of the second, and reports to the process that started this one. */
const { part } = await import(`./parts/${process.argv[2]}.ts`) as { part: Part }

const send = (message: PartMessage): void => {
  if (process.send == null) {
    // by itself, as under a profiler
    process.stderr.write(`${JSON.stringify(message)}\n`)
  } else {
    process.send(message)
  }
}

// the end of the process that started this one is the end of this one, and so is the last message to it
process.on('disconnect', () => { process.exit() })

await part({
  progress: value => { send({ type: 'progress', value }) },
  row: value => { send({ type: 'row', value }) },
  note: value => { send({ type: 'note', value }) }
}, process.argv[3] == null ? {} : { sizes: process.argv[3].split(',').map(Number) })

if (process.connected) {
  process.disconnect()
} else {
  process.exit()
}
