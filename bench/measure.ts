/** What many samples of one thing come to. */
export interface Summary {
  median: number
  p05: number
  p95: number
}

/** Something to measure. What a function returns is awaited when it is a promise. */
export interface Subject {
  run: () => unknown
  /** Prepares one run, unmeasured. */
  before?: () => unknown
  /** How many operations one run consists of; a sample is the mean of them. Default 1. */
  operations?: number
  /** How many runs follow one another in each round. Default 1. */
  runs?: number
}

export interface InterleaveOptions {
  /** How long to measure, warm-up included, when that makes for enough rounds. */
  seconds: number
  /** Rounds whose samples are thrown away. */
  warmUp?: number
  minRounds?: number
  maxRounds?: number
  /** What the time is taken from, in milliseconds. Default: the clock on the wall. */
  clock?: () => number
}

/** Between these, `minRounds` is what is worth having and `seconds` is what it may take. */
const MIN_ROUNDS = 5

/**
 * Measures subjects in turns, so that whatever disturbs the machine disturbs all of them, and a ratio
 * between two of them holds although neither number is the same tomorrow.
 *
 * @returns microseconds for one operation: the samples of each subject
 */
export async function interleave <K extends string> (subjects: Record<K, Subject>, { seconds, warmUp = 2, minRounds = MIN_ROUNDS, maxRounds = Infinity, clock = () => performance.now() }: InterleaveOptions): Promise<Record<K, number[]>> {
  const names = Object.keys(subjects) as K[]
  const samples = Object.fromEntries(names.map(name => [name, []])) as unknown as Record<K, number[]>
  const end = performance.now() + seconds * 1_000

  for (let round = -warmUp; round < maxRounds && (round < minRounds || performance.now() < end); round++) {
    for (const name of names) {
      const { before, run, operations = 1, runs = 1 } = subjects[name]

      for (let i = 0; i < runs; i++) {
        const prepared = before?.()

        if (prepared instanceof Promise) {
          await prepared
        }

        const start = clock()
        const result = run()

        if (result instanceof Promise) {
          await result
        }

        const took = clock() - start

        if (round >= 0) {
          samples[name].push(took * 1_000 / operations)
        }
      }
    }
  }

  return samples
}

/** Processor time that this thread has used, in milliseconds: other processes do not count. */
export function processorTime (): number {
  const { user, system } = process.threadCpuUsage()

  return (user + system) / 1_000
}

export function summarize (samples: number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b)

  return {
    median: quantile(sorted, 0.5),
    p05: quantile(sorted, 0.05),
    p95: quantile(sorted, 0.95)
  }
}

/**
 * @param sorted - ascending
 */
export function quantile (sorted: number[], q: number): number {
  const place = q * (sorted.length - 1)
  const below = sorted[Math.floor(place)]
  const above = sorted[Math.ceil(place)]

  if (below == null || above == null) {
    throw new Error('There are no samples')
  }

  return below + (above - below) * (place - Math.floor(place))
}

/** Samples in another unit, or of another quantity. */
export function scale (samples: number[], factor: number): number[] {
  return samples.map(sample => sample * factor)
}
