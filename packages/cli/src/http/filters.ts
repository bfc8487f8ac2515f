/**
 * What of a peer is wanted, by the rules of the delegated routing API (IPIP-484): names of protocols, some with a `!` before
 * them, separated by commas, in any case.
 */
export interface Filter {
  wanted: Set<string>
  unwanted: Set<string>
}

/** What stands for a peer of which it is not known. */
const UNKNOWN = 'unknown'

/** Undefined where all is wanted. */
export function parseFilter (text: string | undefined): Filter | undefined {
  const names = (text ?? '').toLowerCase().split(',').map(name => name.trim()).filter(name => name !== '' && name !== '!')

  if (names.length > 0) {
    return {
      wanted: new Set(names.filter(name => !name.startsWith('!'))),
      unwanted: new Set(names.filter(name => name.startsWith('!')).map(name => name.slice(1)))
    }
  }
}

/**
 * Which addresses are wanted.
 *
 * @param protocols - the names in each address
 * @returns for each whether it is; undefined where the peer is not, for none of its addresses is
 */
export function filterAddresses (protocols: string[][], filter: Filter | undefined): boolean[] | undefined {
  if (filter == null) {
    return protocols.map(() => true)
  }

  const { wanted, unwanted } = filter

  if (protocols.length === 0) {
    return wanted.has(UNKNOWN) ? [] : undefined
  }

  const isWanted = protocols.map(names => !names.some(name => unwanted.has(name)) && (wanted.size === 0 || names.some(name => wanted.has(name))))

  return isWanted.includes(true) ? isWanted : undefined
}

/** Whether a peer is wanted whose transfer protocols nobody knows, as those of all peers here. */
export function wantsUnknownProtocols (filter: Filter | undefined): boolean {
  return filter == null || filter.wanted.has(UNKNOWN)
}
