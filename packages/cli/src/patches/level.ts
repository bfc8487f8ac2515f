import type { LevelDatastore } from 'datastore-level'

/**
 * datastore-level 13 hands out one entry at a time, each by way of several promises, and reads 16 KiB, some fifty
 * entries, from LevelDB only once they have been taken. Here they come as LevelDB gives them, many in one go, and the
 * next ones are read meanwhile. To be dropped when it does the like (docs/upstream/datastore-level.md).
 */

/** Few enough to be looked through in some milliseconds. */
const PAGE_ENTRIES = 1_000
const PAGE_BYTES = 1024 * 1024

/** All entries whose keys begin with a prefix. */
export async function * readAll ({ db }: Pick<LevelDatastore, 'db'>, prefix: string): AsyncGenerator<Array<[key: string, value: Uint8Array]>, undefined> {
  const range = { gte: prefix, lt: `${prefix}\uffff`, highWaterMarkBytes: PAGE_BYTES }
  const iterator = db.iterator<string, Uint8Array>(range)

  try {
    let next = iterator.nextv(PAGE_ENTRIES)

    for (let page = await next; page.length > 0; page = await next) {
      next = iterator.nextv(PAGE_ENTRIES)
      // it is waited for when this page has been used
      next.catch(() => {})
      yield page
    }
  } finally {
    await iterator.close()
  }
}
