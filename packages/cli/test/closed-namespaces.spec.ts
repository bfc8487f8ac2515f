import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { adminAddressIn, tellAdminAddress } from '../src/admin-address.ts'
import { ClosedNamespaces } from '../src/closed-namespaces.ts'

let directory: string

beforeEach(async () => { directory = await mkdtemp(join(tmpdir(), 'rendezvous-closed-')) })
afterEach(async () => { await rm(directory, { recursive: true }) })

const file = (): string => join(directory, 'closed-namespaces.json')

describe('closed namespaces', () => {
  it('stay closed, each once, until they are opened', async () => {
    const closed = await ClosedNamespaces.load(directory)
    await Promise.all(['spam', 'more "spam"', 'spam'].map(async namespace => closed.add(namespace)))
    expect((await ClosedNamespaces.load(directory)).names).toEqual(['spam', 'more "spam"'])

    expect(await closed.delete('spam')).toBe(true)
    expect(await closed.delete('spam')).toBe(false)
    expect((await ClosedNamespaces.load(directory)).names).toEqual(['more "spam"'])
    expect((await stat(file())).mode & 0o777).toBe(0o600)
  })

  it('leave no file where there never were any', async () => {
    expect((await ClosedNamespaces.load(directory)).names).toEqual([])
    await expect(readFile(file())).rejects.toThrow('ENOENT')
  })

  it('are forgotten where nothing is kept', async () => {
    const closed = await ClosedNamespaces.load(undefined)
    await closed.add('spam')

    expect(closed.names).toEqual(['spam'])
  })

  it.each(['', '{', '{}', '[1]', 'null'])('are not taken for open because they cannot be read: %j', async text => {
    await writeFile(file(), text)

    await expect(ClosedNamespaces.load(directory)).rejects.toThrow(`the closed namespaces cannot be read from ${file()}`)
  })

  it('are written again after that could not be done', async () => {
    const closed = await ClosedNamespaces.load(join(directory, 'later'))
    await expect(closed.add('spam')).rejects.toThrow('ENOENT')
    const other = await ClosedNamespaces.load(directory)
    await other.add('spam')

    expect(closed.names).toEqual(['spam'])
    expect(JSON.parse(await readFile(file(), 'utf8'))).toEqual(['spam'])
  })
})

describe('where a point is administered', () => {
  it('is said beside its data while it runs', async () => {
    const takeBack = await tellAdminAddress(directory, 'http://127.0.0.1:9465')
    expect(await adminAddressIn(directory)).toBe('http://127.0.0.1:9465')
    await takeBack()
    await expect(adminAddressIn(directory)).rejects.toThrow('is running with --admin')
  })
})
