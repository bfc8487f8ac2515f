import { basename, isAbsolute, relative } from 'node:path'

/** How the program was started, so that it can say how to start it again. */
export interface Invocation {
  /** What to type before the name of a command. */
  program: string
  /** Where to type it, when that matters. */
  directory?: string
}

export const NAME = 'libp2p-rendezvous'

/**
 * @param execPath - of Node
 * @param script - as it was started: a link to the program when it was by name
 */
export function invocation (execPath: string, script: string, directory: string): Invocation {
  if (basename(script, '.cmd') === NAME) {
    return { program: /[\\/](node_modules|_npx)[\\/]/.test(script) ? `npx ${NAME}` : NAME }
  }

  // run from a checkout: with this very Node, as the one on the path may be too old
  const parts = [execPath, script].map(path => relative(directory, path))

  return parts.some(path => path.startsWith('..') || isAbsolute(path))
    ? { program: [execPath, script].map(quote).join(' ') }
    : { program: parts.map(quote).join(' '), directory }
}

function quote (path: string): string {
  return /^[\w./\\:@+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}
