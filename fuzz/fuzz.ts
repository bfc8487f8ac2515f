import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { KINDS } from './fields.ts'
import { decodersTarget } from './targets/decoders.ts'
import { handlerTarget } from './targets/handler.ts'
import { listingTarget } from './targets/listing.ts'
import { logTarget } from './targets/log.ts'
import { tokensTarget } from './targets/tokens.ts'
import type { Choice, Target } from './target.ts'

export const TARGETS: Record<string, () => Target> = {
  handler: handlerTarget,
  decoders: decodersTarget,
  log: logTarget,
  listing: listingTarget,
  tokens: tokensTarget
}

/** Messages of which some break a rule, none of which can be left out. */
export interface Finding {
  target: string
  error: string
  /** What leads to the messages again, by the same version. */
  seed: number
  setup: number[]
  messages: unknown[]
}

/** Messages in a run, at the most: to go on with fewer registrations would find less. */
const RUN_LENGTH = 120

/** Runs in a batch: each has a seed of its own. */
const RUNS = 20

/** Milliseconds for a batch, most of it for making a finding smaller. */
const PATIENCE = 15_000

const choice: fc.Arbitrary<Choice> = fc.tuple(
  fc.nat(19), fc.nat(10), fc.nat(5), fc.nat(0xffff),
  // as often as not, nothing is changed
  fc.oneof(fc.constant([]), fc.array(fc.tuple(fc.nat(KINDS - 1), fc.nat(60), fc.nat(255)), { minLength: 1, maxLength: 3 }))
).map(([what, who, which, more, mutations]) => ({ what, who, which, more, mutations }))

const run = fc.tuple(
  fc.array(fc.nat(255), { minLength: 5, maxLength: 5 }),
  fc.array(choice, { maxLength: RUN_LENGTH, size: 'max' })
)

/**
 * Sends a batch of messages to a target, and makes as few as possible of those that break a rule.
 *
 * @returns how many were sent, and what was found
 */
export async function fuzz (name: string, target: Target, seed: number): Promise<{ sent: number, finding?: Finding }> {
  let sent = 0
  let finding: Finding | undefined

  await fc.check(fc.asyncProperty(run, async ([setup, choices]) => {
    const messages: unknown[] = []

    try {
      const { message, send } = target.begin(setup)

      for (const choice of choices) {
        const next = message(choice)
        messages.push(next)
        sent++
        const sending = send(next)

        if (sending instanceof Promise) {
          await sending
        }
      }
    } catch (err: any) {
      // the last one that fails is what all others shrink to
      finding = { target: name, error: String(err?.stack ?? err), seed, setup, messages }
      throw err
    }
  }), { seed, numRuns: RUNS, interruptAfterTimeLimit: PATIENCE })

  return { sent, ...(finding == null ? {} : { finding }) }
}

/** Sends the messages of a finding again, to a fresh target. */
export async function replay ({ target, setup, messages }: Finding): Promise<void> {
  const { send } = (TARGETS[target] as () => Target)().begin(setup)

  for (const message of messages) {
    await send(message)
  }
}

/** The same for whatever breaks the same rule at the same place. */
export function nameOf ({ target, error }: Finding): string {
  const [what = '', ...frames] = error.split('\n')
  const place = frames.find(line => /\/(src|fuzz|test)\//.test(line))?.match(/\/(\w+\/[^/]+\.ts)/)?.[1] ?? ''

  return `${target}-${createHash('sha256').update(what.replaceAll(/[0-9a-f]{6,}|\d+/g, '#') + place).digest('hex').slice(0, 8)}`
}
