import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { commands } from '../src/commands.ts'
import { flagName } from '../src/flags.ts'
import type { Flag } from '../src/flags.ts'

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')

/** The lines of the table that begins with these columns. */
function tableOf (head: string): string[] {
  const lines = readme.split('\n')
  const start = lines.indexOf(head) + 2
  const end = lines.findIndex((line, index) => index >= start && !line.startsWith('|'))

  return lines.slice(start, end)
}

function row (key: string, { type, default: usual, help }: Flag, ...more: string[]): string {
  const name = [flagName(key), type.placeholder].filter(word => word != null).join(' ')

  return `| ${[`\`${name}\``, ...more, usual ?? '', help].join(' | ')} |`.replaceAll('|  |', '| |')
}

describe('the README', () => {
  it('has every flag of point, with its default and what help says of it', () => {
    expect(tableOf('| flag | default | |')).to.deep.equal(Object.entries(commands.point?.flags ?? {}).map(([key, flag]) => row(key, flag)))
  })

  it('has every flag of the other commands', () => {
    const users = new Map<string, { key: string, flag: Flag, names: string[] }>()

    for (const [name, { flags }] of Object.entries(commands).filter(([name]) => name !== 'point')) {
      for (const [key, flag] of Object.entries(flags)) {
        const id = JSON.stringify([key, flag])
        users.set(id, { key, flag, names: [...users.get(id)?.names ?? [], `\`${name}\``] })
      }
    }

    const rows = [...users.values()].map(({ key, flag, names }) => row(key, flag, names.length === Object.keys(commands).length - 1 ? 'all' : names.join(', ')))
    expect(tableOf('| flag | of | default | |')).to.deep.equal(rows)
  })

  it('has every command', () => {
    expect(tableOf('| command | what it does |').map(line => /^\| `(\w+)/.exec(line)?.[1])).to.deep.equal(Object.keys(commands))
  })
})
