import { readFile, writeFile } from 'node:fs/promises'

const README = new URL('README.md', import.meta.url)

/** The part of the README that `--update` writes. */
const BEGIN = '<!-- measured: written by `npm run bench -- --update` -->'
const END = '<!-- /measured -->'

export async function updateReadme (measured: string): Promise<void> {
  const readme = await readFile(README, 'utf8')
  const begin = readme.indexOf(BEGIN)
  const end = readme.indexOf(END)

  if (begin === -1 || end === -1) {
    throw new Error('bench/README.md has lost the marks around its tables')
  }

  await writeFile(README, `${readme.slice(0, begin + BEGIN.length)}\n${measured}\n${readme.slice(end)}`)
}
