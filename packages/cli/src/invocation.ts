import { basename, sep } from 'node:path'

/** How the program was started, so that it can say how to start it again. */
export interface Invocation {
  /** What to type before the name of a command. */
  program: string
  /** Where to type it, when that matters. */
  directory?: string
}

export const NAME = 'libp2p-rendezvous'
const PACKAGE = 'libp2p-rendezvous-cli'

/**
 * @param execPath - of Node
 * @param script - as it was started: a link to the program when it was by name
 */
export function invocation (execPath: string, script: string): Invocation {
  if (basename(script, '.cmd') !== NAME) {
    // by a Node of somebody's choice, as the one on the path may be too old
    return { program: [execPath, script].map(quote).join(' ') }
  }

  if (script.includes(`${sep}_npx${sep}`)) {
    return { program: `npx ${PACKAGE}` }
  }

  const [directory, link] = script.split(`${sep}node_modules${sep}.bin${sep}`)

  return link == null ? { program: NAME } : { program: `npx ${NAME}`, directory: directory === '' ? sep : directory as string }
}

/** Of this process. */
export const { program: PROGRAM, directory: DIRECTORY } = invocation(process.execPath, process.argv[1] ?? '')

/** As a shell takes it for one word. */
export function quote (text: string): string {
  return /^[\w./\\:@+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
