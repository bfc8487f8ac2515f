/** Something that is drawn from by parts. */
export interface Parts<T> {
  readonly children: ReadonlyArray<Parts<T> | T>
  /** How many there are to be drawn in all of it. */
  readonly count: number
}

/** Up to `limit` of those in parts, drawn at random: the same of each part, and what one cannot give of the others. */
export function draw <T extends object> ({ children }: Parts<T>, limit: number, random: () => number): T[] {
  const chosen = limit < children.length ? pick(children, limit, random) : shuffled(children, random)
  // those that have least first, so that what they leave is shared by the rest
  chosen.sort((a, b) => countOf(a) - countOf(b))

  return chosen.flatMap((child, i) => {
    const share = Math.min(countOf(child), Math.floor(limit / (chosen.length - i)))
    limit -= share

    return isParts(child) ? draw(child, share, random) : share > 0 ? [child] : []
  })
}

function isParts <T extends object> (child: Parts<T> | T): child is Parts<T> {
  return 'children' in child
}

function countOf (child: Parts<object> | object): number {
  return isParts(child) ? child.count : 1
}

/** Any `count` of many. */
function pick <T> (many: readonly T[], count: number, random: () => number): T[] {
  const chosen = new Set<number>()

  // Floyd: each set of that size is as likely as any other
  for (let i = many.length - count; i < many.length; i++) {
    const place = Math.floor(random() * (i + 1))
    chosen.add(chosen.has(place) ? i : place)
  }

  return shuffled([...chosen].map(place => many[place] as T), random)
}

function shuffled <T> (many: readonly T[], random: () => number): T[] {
  const result = [...many]

  for (let i = result.length - 1; i > 0; i--) {
    const place = Math.floor(random() * (i + 1));
    [result[i], result[place]] = [result[place] as T, result[i] as T]
  }

  return result
}
