import { LABELS, fragments } from './browser/view.ts'
import { RANGES, SERIES_NAMES } from './browser/series.ts'
import { html } from './browser/html.ts'
import type { View } from './browser/view.ts'
import type { Html } from './browser/html.ts'

/** Elsewhere on the same listener: where, and what is there. */
export type Links = Array<[path: string, text: string]>

/**
 * The whole page, with what is so now. What changes is in elements with the ids of the fragments, and the script writes into
 * those.
 */
export function document (view: View, links: Links): Html {
  const { status } = view
  const now = fragments(view)
  const filled = (id: string): Html => now[id] ?? html``
  const withoutNames = status.fullest == null && status.closed == null

  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Rendezvous point ${shortId(status.peerId)}</title>
<link rel="icon" href="/status/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/status/page.css">
<script type="module" src="/status/main.js"></script>
</head>
<body>
<a class="skip" href="#what">Skip to the numbers</a>
<header>
<h1>Rendezvous point</h1>
<p><span id="state">${filled('state')}</span><span>Version ${status.version}</span><span id="live" role="status">As it was when this was loaded</span></p>
</header>
<main>
<section aria-labelledby="where">
<h2 id="where">Where it is</h2>
<div class="where">
<div>
<h3 id="id">Peer id</h3>
<p class="copied"><code id="peer-id">${status.peerId}</code><button type="button" data-copy="peer-id" aria-label="Copy the peer id">Copy</button></p>
<h3 id="addresses">Addresses, to give to clients</h3>
<ul aria-labelledby="addresses">${status.addresses.map((address, index) => html`
<li><div class="copied"><code id="address-${index}">${address}</code><button type="button" data-copy="address-${index}" aria-label="Copy address ${index + 1}">Copy</button><button type="button" data-qr="${index}" aria-pressed="${String(index === bestOf(status.addresses))}" aria-label="Show the QR code of address ${index + 1}">QR</button></div></li>`)}
</ul>
</div>
${status.addresses.length === 0
    ? ''
    : html`<figure class="qr"><img id="qr" src="/status/qr/${bestOf(status.addresses)}" width="176" height="176" alt="QR code of the address below"><figcaption id="qr-of">${status.addresses[bestOf(status.addresses)] as string}</figcaption></figure>`}
</div>
</section>
<section aria-labelledby="what">
<h2 id="what" tabindex="-1">What it has</h2>
<div class="looking">
<fieldset><legend>In the last</legend>${Object.entries(RANGES).map(([range, { label }]) => html`
<label><input type="radio" name="range" value="${range}"${range === view.range ? html` checked` : ''}>${label}</label>`)}
</fieldset>
<div class="back"><label for="moment">Look at</label><input id="moment" type="range" min="0" max="1" value="1"><output id="time" for="moment">${filled('time')}</output></div>
</div>
<div id="charts" class="charts">${SERIES_NAMES.map(name => html`
<figure><figcaption><b>${LABELS[name].label}</b><span class="value" id="value-${name}">${filled(`value-${name}`)}</span><span class="about">${LABELS[name].about}; <span id="highest-${name}">${filled(`highest-${name}`)}</span></span></figcaption><div class="drawing" id="chart-${name}">${filled(`chart-${name}`)}</div></figure>`)}
</div>
<details><summary>The same as a table</summary>
<div class="scroll" tabindex="0" role="region" aria-label="What it had, as a table"><table><caption>What it had at some moments, the newest first; of requests and refusals, how many in a second</caption>
<thead><tr><th scope="col">From</th>${SERIES_NAMES.map(name => html`<th scope="col">${LABELS[name].label}</th>`)}</tr></thead>
<tbody id="numbers">${filled('numbers')}</tbody></table></div>
</details>
</section>
<div class="pair">
<section aria-labelledby="limits-title">
<h2 id="limits-title">Limits</h2>
<table><caption class="unseen">The limits of the point, and how near each is</caption>
<thead><tr><th scope="col">Of</th><th scope="col">now</th><th scope="col">at most</th><th scope="col">used</th></tr></thead>
<tbody id="limits">${filled('limits')}</tbody></table>
</section>
${withoutNames
    ? ''
    : html`<section aria-labelledby="fullest-title">
<h2 id="fullest-title">Fullest namespaces</h2>
<p class="note" id="closed">${filled('closed')}</p>
<table><caption class="unseen">The namespaces in which most are registered, and how near each is to its limit</caption>
<thead><tr><th scope="col">Namespace</th><th scope="col">registered</th><th scope="col">of its limit</th></tr></thead>
<tbody id="fullest">${filled('fullest')}</tbody></table>
</section>`}
</div>
<section aria-labelledby="refusals-title">
<h2 id="refusals-title">Refusals</h2>
<p class="note" id="refused">${filled('refused')}</p>
<table class="refusals"><caption class="unseen">The last requests that were refused, the newest first</caption>
<thead><tr><th scope="col">When</th><th scope="col">Asked to</th><th scope="col">Why not</th></tr></thead>
<tbody id="refusals">${filled('refusals')}</tbody></table>
</section>
</main>
<footer>
<nav aria-label="Elsewhere on this point">${links.map(([path, text]) => html`<a href="${path}">${text}</a>`)}</nav>
<p>Numbers are of the running program, and begin anew when it does.</p>
</footer>
<p class="said" id="said" role="status"></p>
</body>
</html>
`
}

/** The address whose QR code is shown first: one that leads here from elsewhere. */
function bestOf (addresses: string[]): number {
  return Math.max(addresses.findIndex(address => !/^\/(ip4\/127\.|ip6\/::1\/|ip6\/fe80:)/.test(address)), 0)
}

function shortId (peerId: string): string {
  return `…${peerId.slice(-6)}`
}
