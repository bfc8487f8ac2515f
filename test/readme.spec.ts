import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as libp2p from '@libp2p/interface'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { ClientMetrics } from '../src/client/metrics.ts'
import * as rendezvous from '../src/index.ts'
import { PointMetrics } from '../src/point/metrics.ts'
import { errorFromStatus } from '../src/protocol/errors.ts'
import type { ErrorStatus } from '../src/protocol/errors.ts'
import type { Metrics } from '@libp2p/interface'

const root = fileURLToPath(new URL('..', import.meta.url))
const readme = readFileSync(`${root}README.md`, 'utf8')
const sources = globSync('src/**/*.ts', { cwd: root })
  .map(path => ts.createSourceFile(path, readFileSync(root + path, 'utf8'), ts.ScriptTarget.Latest, true))

/** The members of an interface, with what its comments say is the default of each. */
function declared (name: string): Record<string, string> {
  const found = sources.flatMap(({ statements }) => statements.filter(ts.isInterfaceDeclaration)).filter(declaration => declaration.name.text === name)
  expect(found, name).toHaveLength(1)

  return Object.fromEntries(found[0]!.members.filter(ts.isPropertySignature).map(member => {
    const tag = ts.getJSDocTags(member).find(({ tagName }) => tagName.text === 'default')
    const key = ts.isStringLiteral(member.name) ? member.name.text : member.name.getText()

    return [key, plain(ts.getTextOfJSDocComment(tag?.comment) ?? '')]
  }))
}

/** The rows of the table whose first heading this is, without the formatting of what is in their cells. */
function table (heading: string): string[][] {
  const [, rows] = readme.split(`\n| ${heading} |`)[1]?.match(/^[^\n]*\n\|[-|]+\|\n((?:\|.*\n)+)/) ?? []
  expect(rows, heading).toBeDefined()

  return rows!.trim().split('\n').map(row => row.slice(1, -1).split(/(?<!\\)\|/).map(plain))
}

/** A row may hold several options, with as many defaults. */
function optionsOf (heading: string): Array<[string, string]> {
  return table(heading).flatMap(([names = '', defaults = '']) => {
    const each = names.split(', ')

    return each.map((name, i): [string, string] => [name, each.length === 1 ? defaults : defaults.split(', ')[i] ?? ''])
  })
}

const MILLISECONDS = { h: 3_600_000, min: 60_000, s: 1_000 }

/** Numbers as digits, durations in milliseconds, no quotes, no line breaks. */
function plain (text: string): string {
  return text
    .replaceAll(/[`'\\]/g, '')
    .replaceAll(/(?<=\d)[_,](?=\d{3})/g, '')
    .replaceAll(/\b(\d+) (h|min|s)\b/g, (_, amount: string, unit: keyof typeof MILLISECONDS) => String(Number(amount) * MILLISECONDS[unit]))
    .replaceAll(/\s+/g, ' ')
    .trim()
}

/** A default without what is said about it, in brackets or after a comma. */
function withoutRemark (text: string): string {
  return /^(?:\{.*?\}|\[.*?\]|[^,(]*\(\)|[^,(]*)/.exec(text)?.[0].trim() ?? ''
}

describe.each([
  ['rendezvousClient', 'RendezvousClientInit'],
  ['rendezvousPoint', 'RendezvousPointInit'],
  ['persistentStore', 'PersistentStoreInit']
])('the options of %s in the README', (name, init) => {
  const options = optionsOf(`Option of \`${name}\``)

  it('are those that are declared, each once', () => {
    expect(options.map(([option]) => option).sort()).toEqual(Object.keys(declared(init)).sort())
  })

  it.each(options)('%s has the default that is declared: %s', (option, value) => {
    const declaration = declared(init)[option] ?? ''

    expect([declaration, withoutRemark(declaration)]).toContain(value)
  })
})

describe.each([
  ['the client', 'RendezvousClientEvents'],
  ['the point', 'RendezvousPointEvents']
])('the events of %s in the README', (side, events) => {
  it('are those that are declared, each once', () => {
    const names = table(`Event of ${side}`).flatMap(([names = '']) => names.split(', '))

    expect(names.sort()).toEqual(Object.keys(declared(events)).sort())
  })
})

describe('the errors in the README', () => {
  const rows = table('Error').flatMap(([names = '', text = '']) => names.split(', ').map((name): [string, string] => [name, text]))
  const own = Object.entries<unknown>(rendezvous).filter(([, value]) => typeof value === 'function' && value.prototype instanceof rendezvous.RendezvousError).map(([name]) => name)

  it('are all that this package exports, and otherwise those of libp2p', () => {
    const names = rows.map(([name]) => name)

    expect(names).toEqual([...new Set(names)])
    expect(names).toEqual(expect.arrayContaining(own))
    expect(Object.keys(libp2p)).toEqual(expect.arrayContaining(names.filter(name => !own.includes(name))))
  })

  it.each(Object.values(rendezvous.Status).filter(status => typeof status === 'string' && status !== rendezvous.Status.OK))('%s is beside the error that it leads to', status => {
    const { name } = errorFromStatus(status as ErrorStatus, undefined, {})

    expect(rows.filter(([, text]) => text.split(':')[0] === status)).toEqual([[name, expect.anything()]])
  })
})

it('the metrics in the README are those that are registered', () => {
  const registered: string[] = []
  const register = (name: string): void => { registered.push(name) }
  const metrics = { registerMetric: register, registerCounter: register, registerCounterGroup: register } as unknown as Metrics
  new ClientMetrics(metrics, { registrations: () => 0, discovered: () => 0, subscriptions: () => 0 }) // eslint-disable-line no-new
  new PointMetrics(metrics, () => ({ registrations: 0, namespaces: 0, peers: 0, bytes: 0, subscriptions: 0 })) // eslint-disable-line no-new

  expect(table('Metrics').flatMap(([prefix = '', names = '']) => names.split(', ').map(name => prefix + name)).sort()).toEqual(registered.sort())
})
