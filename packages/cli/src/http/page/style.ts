/** How the page looks. It is text of the program, because the compiler copies nothing else. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f6f7f8;
  --card: #ffffff;
  --edge: #dfe3e8;
  --text: #1b1f24;
  --quiet: #57606a;
  --accent: #0b62b8;
  --area: #0b62b81f;
  --near: #9a4a00;
  --bar: #e4e8ec;
}

@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0f1216;
    --card: #171b21;
    --edge: #2a3038;
    --text: #e7eaee;
    --quiet: #9da7b3;
    --accent: #6db3f8;
    --area: #6db3f826;
    --near: #ffb366;
    --bar: #2a3038;
  }
}

*, ::before, ::after { box-sizing: border-box }
[hidden] { display: none }

body {
  margin: 0;
  background: var(--ground);
  color: var(--text);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  font-variant-numeric: tabular-nums;
  -webkit-text-size-adjust: 100%;
}

header, main, footer { max-width: 76rem; margin: 0 auto; padding: 0 1.25rem }
header { padding-top: 2rem }
footer { padding-top: .5rem; padding-bottom: 3rem }
main { display: grid; gap: 1.25rem; padding-top: 1.25rem; padding-bottom: 1.25rem }

h1 { margin: 0; font-size: 1.6rem; font-weight: 650; letter-spacing: -.01em; line-height: 1.25 }
h2 { margin: 0 0 .75rem; font-size: 1.05rem; font-weight: 650 }
h3 { margin: 1.1rem 0 .35rem; font-size: .85rem; font-weight: 600; color: var(--quiet) }
p { margin: 0 }
a { color: var(--accent) }

header p { display: flex; flex-wrap: wrap; gap: .15rem 1.25rem; margin-top: .3rem; color: var(--quiet) }
header strong, #limits strong { color: var(--near) }
footer { color: var(--quiet); font-size: .875rem }
footer nav { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin-bottom: .35rem }

section { min-width: 0; padding: 1.25rem; border: 1px solid var(--edge); border-radius: .6rem; background: var(--card) }
section > :last-child { margin-bottom: 0 }
.pair { display: grid; gap: 1.25rem; min-width: 0 }

code, .name, .peer { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; font-size: .85em; overflow-wrap: anywhere }
.note { margin: -.4rem 0 .75rem; color: var(--quiet); font-size: .875rem }
.note:empty { display: none }

.where { display: grid; gap: 1.25rem }
.where > div { min-width: 0 }
.where h3:first-child { margin-top: 0 }
.copied { display: flex; align-items: center; gap: .75rem; padding: .3rem 0 }
.copied code { flex: 1; min-width: 0 }
ul { margin: 0; padding: 0; list-style: none }
ul .copied + .copied, li + li .copied { border-top: 1px solid var(--edge) }
figure { margin: 0 }
.qr { width: 11rem }
.qr img { display: block; width: 11rem; height: 11rem; padding: .5rem; border-radius: .4rem; background: #fff }
.qr figcaption { margin-top: .4rem; color: var(--quiet); font-size: .75rem; line-height: 1.35; overflow-wrap: anywhere }

button {
  flex: none;
  padding: .2rem .7rem;
  border: 1px solid var(--edge);
  border-radius: .4rem;
  background: transparent;
  color: var(--text);
  font: inherit;
  font-size: .8125rem;
  cursor: pointer;
}
button:hover { border-color: var(--accent); color: var(--accent) }
button[aria-pressed=true] { border-color: var(--accent); color: var(--accent) }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
.skip { position: absolute; left: 1rem; top: -4rem; padding: .5rem 1rem; border-radius: .4rem; background: var(--card) }
.skip:focus { top: .5rem }

.looking { display: flex; flex-wrap: wrap; align-items: center; gap: .6rem 2rem; margin-bottom: 1.25rem; color: var(--quiet); font-size: .875rem }
.looking fieldset { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: 0; padding: 0; border: 0 }
.looking legend { float: left; margin-right: 1rem; padding: 0 }
.looking label { display: inline-flex; align-items: center; gap: .4rem; color: var(--text) }
.looking .back { flex: 1; display: flex; align-items: center; gap: .75rem; min-width: 16rem; color: var(--text) }
.looking .back label { flex: none; color: var(--quiet) }
.looking .back input { flex: 1; min-width: 5rem }
.looking output { flex: none; min-width: 7em; text-align: right }
input { accent-color: var(--accent) }
/* what only works live is not there before */
:root:not(.live) :is(button, .looking) { display: none }

.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(14.5rem, 1fr)); gap: 1.5rem 2rem }
/* the drawing is between the words, in which it is told */
.charts figure { display: grid; grid-template-columns: 1fr auto; align-content: start; align-items: baseline; column-gap: .75rem }
.charts figcaption { display: contents }
.charts .drawing { grid-column: 1 / -1; grid-row: 2 }
.charts b { font-size: .9rem; font-weight: 600 }
.charts .value { font-size: 1.25rem; white-space: nowrap; font-weight: 600; letter-spacing: -.01em }
.charts .about { grid-column: 1 / -1; grid-row: 3; margin-top: .25rem; color: var(--quiet); font-size: .78rem }
.charts svg { display: block; width: 100%; height: 4rem; margin-top: .4rem; overflow: visible }
.charts path { vector-effect: non-scaling-stroke; fill: none; stroke: none }
.charts .ground { stroke: var(--edge); stroke-width: 1px }
.charts .area { fill: var(--area) }
.charts .line { stroke: var(--accent); stroke-width: 1.5px; stroke-linejoin: round; stroke-linecap: round }
.charts .mark { stroke: var(--quiet); stroke-width: 1px }

details { margin-top: 1.25rem }
summary { width: fit-content; color: var(--accent); font-size: .875rem; cursor: pointer }
.scroll { overflow-x: auto }
table { width: 100%; border-collapse: collapse; font-size: .9rem }
caption { padding: .5rem 0; color: var(--quiet); font-size: .8125rem; text-align: left }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
th, td { padding: .45rem .75rem .45rem 0; border-top: 1px solid var(--edge); text-align: right; vertical-align: baseline; font-weight: 400 }
thead th { border-top: 0; color: var(--quiet); font-size: .8125rem; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
th:last-child, td:last-child { padding-right: 0 }
tbody th code { display: block; color: var(--quiet); font-size: .75rem }
td { white-space: nowrap }
td.none { color: var(--quiet); white-space: normal }
.share { width: 34%; white-space: nowrap }
.share span { display: inline-block; min-width: 3.6em }
.bar { display: inline-block; width: calc(100% - 4.2em); min-width: 2.5rem; height: .4rem; margin-right: .6em; border-radius: .2rem; vertical-align: middle }
.bar .whole { fill: var(--bar) }
.bar .part { fill: var(--accent) }
.bar.near .part { fill: var(--near) }
.refusals td { text-align: left; white-space: normal; overflow-wrap: anywhere }
.refusals th:nth-child(2) { width: 30% }
.refusals td.when { color: var(--quiet); white-space: nowrap }
.refusals th { text-align: left }
.peer { display: block; color: var(--quiet) }

.said { position: fixed; right: 1.25rem; bottom: 1.25rem; left: 1.25rem; width: fit-content; max-width: 40rem; margin: 0 auto; padding: .5rem 1rem; border-radius: .4rem; background: var(--text); color: var(--card); font-size: .8125rem; overflow-wrap: anywhere }
.said:empty { display: none }

@media (min-width: 60rem) {
  .pair { grid-template-columns: repeat(2, minmax(0, 1fr)); align-items: start }
  .where { grid-template-columns: minmax(0, 1fr) 11rem; column-gap: 2rem }
}

@media (max-width: 36rem) {
  header, main, footer { padding-right: .75rem; padding-left: .75rem }
  section { padding: 1rem .9rem }
  .copied { flex-wrap: wrap; gap: .35rem .5rem; padding: .55rem 0 }
  .copied code { flex-basis: 100% }
  .share .bar { display: none }
  .share { width: auto }
  .charts { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1.25rem 1rem }
  .charts figure { grid-template-columns: 1fr }
  .charts .drawing { grid-row: 3 }
  .charts .about { grid-row: 4 }
  .charts svg { height: 3rem }
  .looking legend { float: none; width: 100% }
  tbody th code { display: none }
  .refusals { table-layout: fixed }
  .refusals th:first-child { width: 5.6em }
}

@media (prefers-reduced-motion: no-preference) {
  button, .skip { transition: border-color .15s, color .15s, top .15s }
}
`.trimStart()

/** What stands for the page where there are many: three who meet at a point. */
export const ICON = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><g stroke="#0b62b8" stroke-width="2.5"><path d="M16 16L6 8M16 16L26 8M16 16V28"/></g><g fill="#0b62b8"><circle cx="16" cy="16" r="6"/><circle cx="6" cy="8" r="3.5"/><circle cx="26" cy="8" r="3.5"/><circle cx="16" cy="28" r="3.5"/></g></svg>'
