import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, Failure } from './failures.ts'
import { writePrivately } from './private-file.ts'

const FILE = 'closed-namespaces.json'

/** The namespaces in which nobody may register, kept in the data directory, where there is one, so that they stay closed. */
export class ClosedNamespaces {
  readonly #names: Set<string>
  readonly #file: string | undefined
  #written: Promise<void> = Promise.resolve()

  private constructor (names: string[], file: string | undefined) {
    this.#names = new Set(names)
    this.#file = file
  }

  /**
   * @param directory - of the data; where there is none, nothing is kept
   * @throws {Failure} when it cannot be read: who was kept out would be let in
   */
  static async load (directory: string | undefined): Promise<ClosedNamespaces> {
    if (directory == null) {
      return new ClosedNamespaces([], undefined)
    }

    const file = join(directory, FILE)

    try {
      const names = JSON.parse(await readFile(file, 'utf8'))

      if (!Array.isArray(names) || !names.every(name => typeof name === 'string')) {
        throw new Error('it is no list of names')
      }

      return new ClosedNamespaces(names, file)
    } catch (err: any) {
      if (err.code === 'ENOENT') {
        return new ClosedNamespaces([], file)
      }

      throw new Failure(`the closed namespaces cannot be read from ${file} (${describe(err)}): restore the file, or remove it to open all of them`, { cause: err })
    }
  }

  get names (): string[] {
    return [...this.#names]
  }

  /** @throws what the file system says; it is closed all the same, until the program ends */
  async add (namespace: string): Promise<void> {
    this.#names.add(namespace)
    await this.#write()
  }

  /** @returns whether it was closed */
  async delete (namespace: string): Promise<boolean> {
    const wasClosed = this.#names.delete(namespace)
    await this.#write()

    return wasClosed
  }

  /** One after the other, so that the last says how it is. */
  async #write (): Promise<void> {
    const file = this.#file

    if (file != null) {
      const written = this.#written.catch(() => {}).then(async () => writePrivately(file, `${JSON.stringify(this.names, undefined, 2)}\n`))
      this.#written = written
      await written
    }
  }
}
