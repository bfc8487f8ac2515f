/** Which of the processes of one point this is. */
export interface Place {
  /** From 1; whoever is started in the place of one that has ended has its number. */
  number: number
  of: number
}

/** The variable of the environment that says so. */
const VARIABLE = 'RENDEZVOUS_WORKER'

/** The place of this process, or undefined when it is no worker. */
export function placeOf (env: Record<string, string | undefined> = process.env): Place | undefined {
  const [, number, of] = /^(\d+)\/(\d+)$/.exec(env[VARIABLE] ?? '') ?? []

  return number == null ? undefined : { number: Number(number), of: Number(of) }
}

export function placeEnv ({ number, of }: Place): Record<string, string> {
  return { [VARIABLE]: `${number}/${of}` }
}
