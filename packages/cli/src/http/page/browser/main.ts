/** What runs in the page: it is told what the point has, and shows it. Without it the page shows what was so when it was loaded. */

import { fragments } from './view.ts'
import { withBucket } from './series.ts'
import type { Bucket, Columns, Range } from './series.ts'
import type { Status } from '../status.ts'

/** Where the point takes no more who look, or was restarted: it is asked again so much later. Milliseconds. */
const AGAIN = 10_000

/** What was said is said no longer than this. Milliseconds. */
const SAID_FOR = 4_000

let status: Status | undefined
let columns: Columns | undefined
let range: Range = '15m'
/** The index that the slider is at, or the pointer. */
let slid: number | undefined
let pointed: number | undefined
let source: EventSource | undefined
const shown = new Map<string, string>()

function element <T extends HTMLElement> (id: string): T {
  return document.getElementById(id) as T
}

const slider = element<HTMLInputElement>('moment')

/** Only what has changed is touched, so that a selection, and what a screen reader is at, stays. */
function draw (): void {
  if (status == null || columns == null) {
    return
  }

  const chosen = pointed ?? slid
  const view = { status, columns, range, chosen: chosen == null ? undefined : Math.min(chosen, columns.at.length - 1) }

  for (const [id, html] of Object.entries(fragments(view))) {
    const target = document.getElementById(id)

    if (target != null && shown.get(id) !== html.text) {
      shown.set(id, html.text)
      target.innerHTML = html.text
    }
  }

  slider.setAttribute('aria-valuetext', element('time').textContent ?? '')
}

function follow (): void {
  source?.close()
  source = new EventSource(`/status/events?range=${range}`)
  source.addEventListener('history', ({ data }) => {
    columns = JSON.parse(data) as Columns
    slide()
    say('live', 'Live')
  })
  source.addEventListener('status', ({ data }) => {
    const news = JSON.parse(data) as { status: Status, bucket: Bucket }
    const oldest = columns?.at[0]
    status = news.status
    columns = columns == null ? undefined : withBucket(columns, news.bucket)

    // what is looked at moves on with time
    if (slid != null && columns != null && columns.at[0] !== oldest) {
      slid = Math.max(slid - 1, 0)
    }

    slide()
    draw()
  })
  source.addEventListener('error', () => {
    say('live', 'Not connected; trying again')

    if (source?.readyState === EventSource.CLOSED) {
      setTimeout(follow, AGAIN)
    }
  })
}

/** The slider goes from the oldest to now. */
function slide (): void {
  const last = Math.max((columns?.at.length ?? 1) - 1, 0)
  slider.max = String(last)
  slider.value = String(slid ?? last)
}

function say (id: string, text: string): void {
  if (element(id).textContent !== text) {
    element(id).textContent = text
  }
}

let silence: ReturnType<typeof setTimeout> | undefined

async function copy (target: HTMLElement): Promise<void> {
  const text = target.textContent ?? ''

  try {
    // there is none in pages that came without https, but from this machine
    await navigator.clipboard.writeText(text)
    say('said', 'Copied')
  } catch {
    getSelection()?.selectAllChildren(target)
    say('said', document.execCommand('copy') ? 'Copied' : 'Selected, to be copied')
  }

  clearTimeout(silence)
  silence = setTimeout(() => { say('said', '') }, SAID_FOR)
}

document.addEventListener('click', event => {
  const button = (event.target as Element).closest('button')

  if (button?.dataset['copy'] != null) {
    copy(element(button.dataset['copy'])).catch(() => {})
  } else if (button?.dataset['qr'] != null) {
    const image = element<HTMLImageElement>('qr')
    image.src = `/status/qr/${button.dataset['qr']}`
    document.querySelectorAll('[data-qr]').forEach(other => { other.setAttribute('aria-pressed', String(other === button)) })
    say('qr-of', element(`address-${button.dataset['qr']}`).textContent ?? '')
  }
})

document.querySelectorAll<HTMLInputElement>('[name=range]').forEach(radio => {
  radio.addEventListener('change', () => {
    range = radio.value as Range
    slid = undefined
    pointed = undefined
    follow()
  })

  // a browser may have kept what was chosen before the page was loaded again
  if (radio.checked) {
    range = radio.value as Range
  }
})

slider.addEventListener('input', () => {
  slid = slider.value === slider.max ? undefined : Number(slider.value)
  draw()
})

const charts = element('charts')

charts.addEventListener('pointermove', event => {
  const drawing = (event.target as Element).closest('svg')

  if (drawing == null || columns == null || event.pointerType === 'touch') {
    pointed = undefined
  } else {
    const { left, width } = drawing.getBoundingClientRect()
    const { at, capacity, width: part } = columns
    const time = (at.at(-1) ?? 0) - (1 - (event.clientX - left) / width) * (capacity - 1) * part
    const index = at.findIndex(start => start >= time - part / 2)
    pointed = index === -1 ? undefined : index
  }

  draw()
})
charts.addEventListener('pointerleave', () => {
  pointed = undefined
  draw()
})

document.documentElement.classList.add('live')
follow()
