// The status page: asks /page every two seconds while somebody looks, and writes what comes as text.
// Names and messages are never markup: textContent alone, and the content security policy sees to it.
// A classic script: the browser asks for a module with an Origin, which the listener refuses.
// biome-ignore lint/suspicious/noRedundantUseStrict: It is no module.
'use strict'

const POLL_MS = 2000
/** Rates are over the samples of this time. */
const WINDOW_MS = 10_500
/** Points of the small curves: five minutes. */
const MAX_POINTS = 150
const TOKEN = 'gwproxy-token'
const UNKNOWN = '–'
/** As the alert rules that gwproxy brings along. */
const [WARNING_DAYS, ERROR_DAYS] = [14, 3]
const SIGNS = { ok: '✓', warning: '▲', error: '✕' }
const SIDES = { downstream: 'client', upstream: 'backend', internal: 'gwproxy' }

const byId = (id) => document.getElementById(id)
const whole = new Intl.NumberFormat('en')
const plural = (count, word) => `${whole.format(count)} ${word}${count === 1 ? '' : 's'}`

let paused = false
let timer
let running
let startedAt
/** Key of a row -> its counters, oldest first. */
const samples = new Map()
const curves = { requests: [], connections: [], failures: [], sentBytes: [] }

// --- asking

function askSoon(ms) {
  clearTimeout(timer)
  if (!paused && document.visibilityState === 'visible') timer = setTimeout(ask, ms)
}

async function ask() {
  running?.abort()
  const own = new AbortController()
  running = own
  const token = sessionStorage.getItem(TOKEN)
  try {
    const answer = await fetch(`page?filter=${encodeURIComponent(byId('filter').value)}`, {
      cache: 'no-store',
      headers: token === null ? {} : { authorization: `Bearer ${token}` },
      signal: AbortSignal.any([own.signal, AbortSignal.timeout(10_000)]),
    })
    const body = await answer.json()
    if (own.signal.aborted) return
    if (answer.status === 401) return askForToken(token !== null)
    if (!answer.ok) throw new Error(body.error)
    show(body)
  } catch (error) {
    if (own.signal.aborted) return
    sayVerdict(
      'error',
      `No answer from gwproxy: ${error.message}. What is below is old; asking again.`,
    )
    document.title = 'gwproxy: no answer'
  }
  askSoon(POLL_MS)
}

function askForToken(wasRefused) {
  sessionStorage.removeItem(TOKEN)
  byId('status').hidden = true
  byId('token').hidden = false
  sayVerdict('warning', wasRefused ? 'That token is not the right one.' : 'A token is needed.')
  byId('token-value').focus()
}

// --- rates

/** Per second; undefined before the second sample. */
function rateOf(key, at, tally) {
  const known = (samples.get(key) ?? []).filter((sample) => at - sample.at <= WINDOW_MS)
  known.push({ at, tally })
  samples.set(key, known)
  const first = known[0]
  if (first.at === at) return undefined
  const seconds = (at - first.at) / 1000
  return Object.fromEntries(
    Object.entries(tally).map(([name, total]) => [name, (total - first.tally[name]) / seconds]),
  )
}

function rateText(rate) {
  if (rate === undefined) return UNKNOWN
  return rate === 0
    ? '0'
    : rate < 0.1
      ? '<0.1'
      : rate < 10
        ? rate.toFixed(1)
        : whole.format(Math.round(rate))
}

function bytesText(rate) {
  if (rate === undefined) return UNKNOWN
  const units = ['B', 'kB', 'MB', 'GB']
  let value = rate
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${value >= 10 || value === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

// --- writing: what did not change is not touched, so that selections and screen readers stay

function say(element, text) {
  if (element.textContent !== text) element.textContent = text
}

function mark(element, level) {
  if (level !== undefined && element.dataset.level !== level) element.dataset.level = level
}

function sayVerdict(level, text) {
  say(byId('verdict'), text)
  mark(byId('verdict'), level)
}

/** One element for each row, kept by its key; `make` gives a new one, `update` fills it. */
function keep(holder, rows, keyOf, make, update) {
  const old = new Map([...holder.children].map((element) => [element.dataset.key, element]))
  rows.forEach((row, index) => {
    const key = keyOf(row)
    const element = old.get(key) ?? make(row)
    old.delete(key)
    element.dataset.key = key
    update?.(element, row)
    if (holder.children[index] !== element)
      holder.insertBefore(element, holder.children[index] ?? null)
  })
  for (const element of old.values()) element.remove()
}

function make(tag, className, text) {
  const element = document.createElement(tag)
  if (className) element.className = className
  if (text !== undefined) element.textContent = text
  return element
}

/** `cellsOf(row)`: of each column a text, or {text, level, small, className}. */
function fillTable(id, list, keyOf, cellsOf) {
  const body = byId(id)
  const headers = [...body.parentElement.querySelectorAll('thead th')]
  if (list.rows.length === 0) {
    const none = list.total === 0 ? 'None.' : 'None fits the filter.'
    return keep(
      body,
      [none],
      (text) => text,
      () => {
        const row = make('tr')
        const cell = make('td', 'none', none)
        cell.colSpan = headers.length
        row.append(cell)
        return row
      },
    )
  }
  keep(
    body,
    list.rows,
    (row) => `row ${keyOf(row)}`,
    () => {
      const row = make('tr')
      headers.forEach((header, index) => {
        const cell = make(index === 0 ? 'th' : 'td', header.className)
        if (index === 0) cell.scope = 'row'
        else cell.dataset.label = header.textContent
        row.append(cell)
      })
      return row
    },
    (row, data) => {
      cellsOf(data).forEach((value, index) => {
        const cell = row.children[index]
        const { text, level, small, className } =
          typeof value === 'string' ? { text: value } : value
        const words = level === undefined ? text : `${SIGNS[level]} ${text}`
        if (small === undefined) say(cell, words)
        else if (cell.textContent !== words + small)
          cell.replaceChildren(words, make('small', '', small))
        mark(cell, level)
        if (className !== undefined) cell.className = className
      })
    },
  )
}

function sayCount(name, { total, matching, rows }) {
  const shown = rows.length < matching ? `, the first ${rows.length} are shown` : ''
  const text =
    matching < total
      ? `${whole.format(matching)} of ${whole.format(total)} fit the filter`
      : whole.format(total)
  say(document.querySelector(`[data-count="${name}"]`), text + shown)
}

// --- what is shown

function show(page) {
  if (startedAt !== page.startedAt) {
    samples.clear()
    startedAt = page.startedAt
  }
  byId('token').hidden = true
  byId('status').hidden = false
  say(byId('version'), page.version)
  say(
    byId('asked'),
    `As of ${new Date().toLocaleTimeString('en-GB')}; running since ${timeText(page.startedAt)}.`,
  )
  showVerdict(page)
  showProblems(page)
  showFigures(page)
  showTables(page)
  // Rows that are gone, or filtered away, leave no samples behind.
  for (const [key, known] of samples) if (known.at(-1).at !== page.uptimeMs) samples.delete(key)
}

function timeText(iso) {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`
}

const STATES = {
  ready: ['ok', 'Serving'],
  degraded: ['error', 'Serving, but not all that was asked for'],
  starting: ['warning', 'Starting'],
  draining: ['warning', 'Draining'],
}

function showVerdict({ ready, generation, counts }) {
  const [stateLevel, word] = STATES[ready.state]
  const needs = [
    [counts.errors, 'error', (count) => `${plural(count, 'error')} in the files`],
    [
      counts.stale,
      'warning',
      (count) => `${plural(count, 'object')} served from the last good version`,
    ],
    [counts.warnings, 'warning', (count) => `${plural(count, 'warning')} in the files`],
    [
      counts.expiring,
      'warning',
      (count) => `${plural(count, 'certificate')} with less than ${WARNING_DAYS} days left`,
    ],
    [counts.ejected, 'warning', (count) => `${plural(count, 'endpoint')} ejected after failures`],
  ].filter(([count]) => count > 0)
  const levels = [stateLevel, ...needs.map(([, level]) => level)]
  const level = ['error', 'warning', 'ok'].find((one) => levels.includes(one))
  const attention = needs.map(([count, , words]) => words(count)).join(' · ')
  const first = `${SIGNS[level]} ${word}: generation ${whole.format(generation)}. ${level === 'ok' ? 'Nothing needs attention.' : attention}`
  sayVerdict(level, [first, ...ready.reasons].join('\n'))
  document.title = level === 'ok' ? 'gwproxy' : `${SIGNS[level]} gwproxy`
}

function showProblems({ problems }) {
  sayCount('problems', problems)
  const rows = problems.rows.length > 0 ? problems.rows : [undefined]
  keep(
    byId('problems'),
    rows,
    (row) => JSON.stringify(row ?? problems.total),
    (row) =>
      row === undefined
        ? make('li', 'none', problems.total === 0 ? 'None.' : 'None fits the filter.')
        : problemItem(row),
  )
}

function problemItem({ severity, at, object, path, message, help }) {
  const item = make('li')
  mark(item, severity)
  const head = make('p')
  const word = make('span', 'severity', `${SIGNS[severity]} ${severity}`)
  mark(word, severity)
  head.append(
    word,
    ' ',
    make('code', '', at),
    ' ',
    make('span', 'quiet', [object, path].filter(Boolean).join(' · ')),
  )
  item.append(head, make('p', '', message))
  if (help) item.append(make('pre', 'quiet', help))
  return item
}

function showFigures({ traffic, uptimeMs, open, workers, restarts }) {
  const rate = rateOf('all', uptimeMs, traffic)
  const figures = {
    requests: rateText(rate?.requests),
    connections: rateText(rate?.connections),
    failures: rateText(rate?.failures),
    sent: `${bytesText(rate?.sentBytes)}/s`,
    received: `${bytesText(rate?.receivedBytes)}/s`,
    open: whole.format(open.connections),
    exchanges: whole.format(open.exchanges),
    workers: restarts === 0 ? whole.format(workers) : `${workers}, ${plural(restarts, 'restart')}`,
  }
  for (const [name, text] of Object.entries(figures)) {
    say(document.querySelector(`[data-figure="${name}"]`), text)
  }
  if (rate === undefined) return
  for (const [name, points] of Object.entries(curves)) {
    points.push(rate[name])
    if (points.length > MAX_POINTS) points.shift()
    const top = Math.max(...points, 1e-9)
    const line = points.map(
      (value, index) =>
        `${MAX_POINTS - points.length + index + 1},${(28 - (26 * value) / top).toFixed(1)}`,
    )
    document.querySelector(`[data-spark="${name}"] polyline`).setAttribute('points', line.join(' '))
  }
}

function showTables(page) {
  for (const name of ['gateways', 'listeners', 'routes', 'certificates', 'endpoints'])
    sayCount(name, page[name])
  const code = (text) => ({ text, className: 'code' })
  fillTable(
    'gateways',
    page.gateways,
    ({ name }) => name,
    (row) => [
      row.name,
      row.state,
      code(row.addresses.join('\n') || UNKNOWN),
      row.className || UNKNOWN,
      code(row.from),
    ],
  )
  fillTable(
    'listeners',
    page.listeners,
    ({ owner, name }) => `${owner}/${name}`,
    (row) => {
      const rate = rateOf(`listener ${row.owner}/${row.name}`, page.uptimeMs, row.traffic)
      return [
        { text: row.name, small: row.owner },
        row.state,
        `${row.port} ${row.protocol}`,
        row.hostname || 'any',
        whole.format(row.routes),
        rateText(rate?.connections),
        isHttp(row.protocol) ? rateText(rate?.requests) : UNKNOWN,
        rateText(rate?.failures),
        bytesText(rate?.sentBytes),
      ]
    },
  )
  fillTable(
    'routes',
    page.routes,
    ({ name }) => name,
    (row) => {
      const rate = rateOf(`route ${row.name}`, page.uptimeMs, row.traffic)
      const counted = /^(HTTP|GRPC)Route /.test(row.name)
      return [
        row.name,
        row.state,
        row.hostnames.join('\n') || 'any',
        row.parents.join('\n'),
        counted ? rateText(rate?.requests) : UNKNOWN,
        counted ? rateText(rate?.failures) : UNKNOWN,
        bytesText(rate?.sentBytes),
        code(row.from),
      ]
    },
  )
  fillTable(
    'certificates',
    page.certificates,
    ({ source, keyType, notAfter }) => `${source} ${keyType} ${notAfter}`,
    (row) => [
      row.source,
      daysCell(row.daysLeft),
      timeText(row.notAfter),
      row.dnsNames.join('\n'),
      row.keyType,
    ],
  )
  fillTable(
    'endpoints',
    page.endpoints,
    ({ upstream, endpoint }) => `${upstream} ${endpoint}`,
    (row) => [
      row.upstream,
      healthCell(row),
      code(row.endpoint),
      whole.format(row.connects),
      whole.format(row.failedConnects),
    ],
  )
  const failures = { total: page.failures.length, rows: page.failures }
  fillTable(
    'failures',
    failures,
    ({ reason }) => reason,
    (row) => [
      row.reason,
      SIDES[row.side],
      whole.format(row.requests),
      whole.format(row.connections),
    ],
  )
}

function isHttp(protocol) {
  return /^HTTPS?\b/.test(protocol)
}

function daysCell(days) {
  const level = days < ERROR_DAYS ? 'error' : days < WARNING_DAYS ? 'warning' : 'ok'
  return { text: days < 0 ? 'expired' : plural(days, 'day'), level }
}

function healthCell({ workers, ejectedBy, ejectedForMs, onTrialBy }) {
  const of = (count, word) =>
    workers === 1 ? '' : ` ${word} ${count} of ${plural(workers, 'worker')}`
  if (ejectedBy > 0) {
    const level = ejectedBy === workers ? 'error' : 'warning'
    const seconds = Math.ceil(ejectedForMs / 1000)
    return { text: `ejected${of(ejectedBy, 'by')}, for ${seconds} s more`, level }
  }
  if (onTrialBy === 0) return { text: 'in use', level: 'ok' }
  return { text: `on trial${of(onTrialBy, 'in')}: no success since it failed`, level: 'warning' }
}

// --- beginning

byId('pause').addEventListener('click', () => {
  paused = !paused
  say(byId('pause'), paused ? 'Resume' : 'Pause')
  askSoon(0)
})
byId('filter').addEventListener('input', () => {
  clearTimeout(timer)
  timer = setTimeout(ask, 200)
})
byId('token').addEventListener('submit', (event) => {
  event.preventDefault()
  sessionStorage.setItem(TOKEN, byId('token-value').value)
  byId('token-value').value = ''
  askSoon(0)
})
document.addEventListener('visibilitychange', () => askSoon(0))
askSoon(0)
