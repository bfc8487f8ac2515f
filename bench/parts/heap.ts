import { fork } from 'node:child_process'
import { once } from 'node:events'
import { row } from '../row.ts'
import type { HeapTask, Measured } from '../heap-process.ts'
import type { Report } from '../part.ts'

const TASKS: Array<HeapTask & { repeat: number }> = [
  { shape: 'one namespace', size: 1_000, repeat: 3 },
  { shape: 'one namespace', size: 100_000, repeat: 3 },
  { shape: 'one namespace', size: 1_000_000, repeat: 1 },
  { shape: '10,000 namespaces', size: 100_000, repeat: 3 },
  { shape: '10,000 namespaces', size: 1_000_000, repeat: 1 }
]

export async function part ({ progress, row: emit }: Report): Promise<void> {
  for (const { repeat, ...task } of TASKS) {
    progress(`${task.size.toLocaleString('en')} registrations in ${task.shape}`)
    const measured: Measured[] = []

    for (let i = 0; i < repeat; i++) {
      measured.push(await measure(task))
    }

    emit(row({
      name: `memory store: heap for a registration, ${task.shape}`,
      size: task.size,
      unit: 'bytes',
      samples: measured.map(({ heap }) => heap),
      ...(task.size === 1_000 ? {} : { target: { atMost: 700 } })
    }))

    if (task.size > 1_000) {
      emit(row({
        name: `memory store: process memory for a registration, ${task.shape}`,
        size: task.size,
        unit: 'bytes',
        samples: measured.map(({ resident }) => resident)
      }))
    }
  }
}

/** Each time in a new process: what was there before would be reused. */
async function measure (task: HeapTask): Promise<Measured> {
  const child = fork(new URL('../heap-process.ts', import.meta.url), [JSON.stringify(task)], { execArgv: ['--expose-gc'] })
  const [measured] = await once(child, 'message')
  await once(child, 'exit')

  return measured
}
