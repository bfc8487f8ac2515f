/** HTML, and no text that could be taken for it. */
export class Html {
  constructor (readonly text: string) {}

  toString (): string {
    return this.text
  }
}

type Part = Html | string | number | readonly Part[]

/** A template whose values are text, unless they are HTML themselves. */
export function html (strings: TemplateStringsArray, ...values: Part[]): Html {
  return new Html(strings.reduce((text, string, index) => `${text}${written(values[index - 1] as Part)}${string}`))
}

function written (part: Part): string {
  if (part instanceof Html) {
    return part.text
  }

  return typeof part === 'object' ? part.map(written).join('') : escaped(String(part))
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escaped (text: string): string {
  return text.replace(/[&<>"']/g, character => ENTITIES[character] as string)
}
