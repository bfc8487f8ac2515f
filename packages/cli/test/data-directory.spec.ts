import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { privateKeyFromProtobuf } from '@libp2p/crypto/keys'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defaultDataDirectory, identityIn, openDataDirectory } from '../src/data-directory.ts'

let root: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rendezvous-data-'))
})

afterEach(async () => {
  await rm(root, { recursive: true })
})

async function failure (promise: Promise<unknown>): Promise<string> {
  const err = await promise.then(() => { throw new Error('It did not fail') }, err => err)
  expect(err).to.have.property('name', 'Failure')

  return err.message
}

describe('a data directory', () => {
  it('is made with what is above it, for its owner only', async () => {
    const path = join(root, 'a', 'b')
    await (await openDataDirectory(path)).close()

    expect((await stat(path)).mode & 0o777).to.equal(0o700)
  })

  it('keeps one identity, which only its owner can read, and leaves nothing else behind', async () => {
    const first = await openDataDirectory(root)
    await first.close()
    const second = await openDataDirectory(root)
    await second.close()

    expect(first.isNew).to.equal(true)
    expect(second.isNew).to.equal(false)
    expect(second.privateKey.equals(first.privateKey)).to.equal(true)
    expect((await stat(join(root, 'identity.key'))).mode & 0o777).to.equal(0o600)
    expect(privateKeyFromProtobuf(await readFile(join(root, 'identity.key'))).equals(first.privateKey)).to.equal(true)
    expect(await readdir(root)).to.have.members(['identity.key', 'registrations'])
  })

  it('can be asked for its identity while it is open', async () => {
    const data = await openDataDirectory(root)
    const { privateKey, isNew } = await identityIn(root)
    await data.close()

    expect(isNew).to.equal(false)
    expect(privateKey.equals(data.privateKey)).to.equal(true)
  })

  it('says when its identity is missing, and another one takes its place', async () => {
    const lost = `There are registrations in ${root} but no identity.key, so a new identity was made: if clients know the old one, restore identity.key from a backup`
    const first = await openDataDirectory(root)
    await first.close()
    expect(first.notes).to.deep.equal([])
    expect((await identityIn(root)).notes).to.deep.equal([])

    await rm(join(root, 'identity.key'))
    const second = await openDataDirectory(root)
    await second.close()
    expect(second.notes).to.deep.equal([lost])

    await rm(join(root, 'identity.key'))
    expect((await identityIn(root)).notes).to.deep.equal([lost])
    expect((await identityIn(root)).notes).to.deep.equal([])
  })

  it('says when others can read its key, and what to type', async () => {
    await identityIn(root)
    const file = join(root, 'identity.key')

    for (const mode of [0o640, 0o604]) {
      await chmod(file, mode)
      expect((await identityIn(root)).notes).to.deep.equal([`The private key in ${file} can be read by other users of this machine: chmod 600 ${file}`])
    }

    await chmod(file, 0o400)
    expect((await identityIn(root)).notes).to.deep.equal([])
  })

  it('is in use by one process at a time', async () => {
    const data = await openDataDirectory(root)

    expect(await failure(openDataDirectory(root))).to.equal(`the data directory ${root} is in use by another process: stop that one, or choose another directory with --data DIR`)
    await data.close()
    await (await openDataDirectory(root)).close()
  })

  it("is not somebody else's", async () => {
    await writeFile(join(root, 'thesis.txt'), '')

    expect(await failure(openDataDirectory(root))).to.include('holds something else')
    expect(await readdir(root)).to.deep.equal(['thesis.txt'])
  })

  it('may hold what file systems put there, and what a crash left', async () => {
    await mkdir(join(root, 'lost+found'))
    await writeFile(join(root, '.keep'), '')
    await writeFile(join(root, 'identity.key.0123.tmp'), 'half a k')

    expect((await openDataDirectory(root).then(async data => data.close().then(() => data))).isNew).to.equal(true)
  })

  it('is a directory', async () => {
    await writeFile(join(root, 'file'), '')

    expect(await failure(openDataDirectory(join(root, 'file')))).to.equal(`the data directory ${join(root, 'file')} is not a directory: choose another with --data DIR`)

    for (const below of [['below'], ['far', 'below']]) {
      const path = join(root, 'file', ...below)
      expect(await failure(openDataDirectory(path))).to.equal(`the data directory ${path} cannot be made, for ${join(root, 'file')} is not a directory: choose another with --data DIR`)
    }
  })

  it.skipIf(process.getuid?.() === 0)('can be written to', async () => {
    await chmod(root, 0o500)

    expect(await failure(openDataDirectory(join(root, 'below')))).to.include('permission denied')
    expect(await failure(openDataDirectory(root))).to.include('permission denied')
    await chmod(root, 0o700)
  })

  it('where no directory can be made is refused', async () => {
    expect(await failure(openDataDirectory('/dev/null/rendezvous'))).to.include('is not a directory')
  })

  it('with a broken identity is left as it is', async () => {
    await writeFile(join(root, 'identity.key'), 'not a key')

    expect(await failure(openDataDirectory(root))).to.equal(`${join(root, 'identity.key')} is not a libp2p private key: restore it from a backup, or move it away to get a new identity`)
    expect(await readFile(join(root, 'identity.key'), 'utf8')).to.equal('not a key')
    // and nothing holds it
    expect(await failure(openDataDirectory(root))).to.include('is not a libp2p private key')
  })

  it('with something else in place of the registrations is refused', async () => {
    await (await openDataDirectory(root)).close()
    await rm(join(root, 'registrations'), { recursive: true })
    await writeFile(join(root, 'registrations'), '')

    expect(await failure(openDataDirectory(root))).to.include('cannot be opened')
  })

  it('with a directory in place of the identity is refused', async () => {
    await mkdir(join(root, 'identity.key'))

    expect(await failure(openDataDirectory(root))).to.include('is a directory: restore the file from a backup')
  })

  it('is where XDG has it when nothing is said', () => {
    expect(defaultDataDirectory({ XDG_DATA_HOME: '/data' })).to.equal('/data/libp2p-rendezvous')
    expect(defaultDataDirectory({})).to.match(/\/\.local\/share\/libp2p-rendezvous$/)
    expect(defaultDataDirectory({ XDG_DATA_HOME: 'relative' })).to.equal(defaultDataDirectory({}))
  })
})
