import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import { clean, counted, Output, table } from '../src/output.ts'
import type { Sink } from '../src/output.ts'

function sink (isTTY: boolean): Sink & { text: string } {
  return {
    text: '',
    isTTY,
    columns: 80,
    write (text: string) {
      this.text += text
    }
  }
}

describe('output', () => {
  it('is a JSON object a line, with no character that a terminal acts on', () => {
    const out = sink(false)
    new Output(out, sink(false)).json({ namespace: 'a\u001b[2Jb\u009bc\u202ed' })

    expect(out.text).to.equal('{"namespace":"a\\u001b[2Jb\\u009bc\\u202ed"}\n')
    expect(JSON.parse(out.text)).to.deep.equal({ namespace: 'a\u001b[2Jb\u009bc\u202ed' })
  })

  it('keeps progress apart from results', () => {
    const [out, status] = [sink(false), sink(false)]
    const output = new Output(out, status)
    output.progress('Connecting')
    output.print('result')

    expect(out.text).to.equal('result\n')
    expect(status.text).to.equal('Connecting\n')
  })

  it('replaces progress on a terminal, and takes it away before anything else', () => {
    const [out, status] = [sink(true), sink(true)]
    const output = new Output(out, status)
    output.progress('one')
    output.progress('two')
    output.print('result')
    output.done()

    expect(status.text.split('\r\u001b[K').map(stripVTControlCharacters)).to.deep.equal(['one', 'two', ''])
  })

  it('shortens progress to the width of the terminal', () => {
    const status = sink(true)
    new Output(sink(true), status).progress('x'.repeat(200))

    expect(stripVTControlCharacters(status.text)).to.have.lengthOf.below(80)
  })

  it('has no colours but on a terminal', () => {
    expect(new Output(sink(false), sink(false)).bold('text')).to.equal('text')
    expect(new Output(sink(true), sink(true)).bold('text')).to.equal('\u001b[1mtext\u001b[22m')
  })

  it('lines columns up', () => {
    expect(table([['A', 'BCD', 'E'], ['long', 'x', 'y'], ['', '', 'z']])).to.deep.equal([
      'A     BCD  E',
      'long  x    y',
      '           z'
    ])
  })

  it('counts things', () => {
    expect([0, 1, 2].map(number => counted(number, 'line'))).to.deep.equal(['0 lines', '1 line', '2 lines'])
    expect(counted(2, 'entry', 'entries')).to.equal('2 entries')
  })

  it("cleans other people's words", () => {
    expect(clean('a\u001b[31m\nb')).to.equal('a [31m b')
  })
})
