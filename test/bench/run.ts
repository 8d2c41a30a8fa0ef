/** `npm run bench`: gwproxy and its peers side by side. test/bench/README.md says how it measures. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import { resolve } from 'node:path'
import { type Baseline, baselineOf, check } from './check.ts'
import { measureRow } from './measure.ts'
import { type BenchOptions, parseOptions, USAGE } from './options.ts'
import { caddy } from './peers/caddy.ts'
import { gwproxy } from './peers/gwproxy.ts'
import { haproxy, haproxyTuned } from './peers/haproxy.ts'
import { hitch } from './peers/hitch.ts'
import { nginx } from './peers/nginx.ts'
import { type Peer, versionOf } from './peers/peer.ts'
import { stayOnLoadCore } from './process.ts'
import { rowText } from './report.ts'
import type { Machine, RowResult, RunResult } from './result.ts'
import { FRESH_ROWS } from './rows/fresh.ts'
import { HTTP_ROWS } from './rows/http.ts'
import { PASSTHROUGH_ROWS } from './rows/passthrough.ts'
import type { Row } from './rows/row.ts'
import { SCALE_ROWS } from './rows/scale.ts'
import { TERMINATE_ROWS } from './rows/terminate.ts'
import { openSite, type Site } from './site.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const BASELINE = resolve(import.meta.dirname, 'baseline.json')
const ROWS: readonly Row[] = [
  ...PASSTHROUGH_ROWS,
  ...TERMINATE_ROWS,
  ...HTTP_ROWS,
  ...FRESH_ROWS,
  ...SCALE_ROWS,
]
const RIVALS: readonly Peer[] = [nginx, haproxy, haproxyTuned, hitch, caddy]

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => process.exit(1))
}
process.exitCode = await main(process.argv.slice(2))

async function main(argument: readonly string[]): Promise<number> {
  if (argument.includes('--help')) {
    console.log(`${USAGE}\n\nrows: ${ROWS.map(({ name }) => name).join(', ')}`)
    return 0
  }
  let options: BenchOptions
  let rows: readonly Row[]
  try {
    options = parseOptions(argument, ROOT)
    rows = chosenRows(options.rows)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`)
    return 2
  }
  if (availableParallelism() < 2) {
    console.error('the bench needs two cores: one for the proxy, one for the load')
    return 1
  }
  stayOnLoadCore()
  const site = await openSite()
  try {
    return await measure(rows, site, options, argument.join(' '))
  } finally {
    await site.close()
  }
}

async function measure(
  rows: readonly Row[],
  site: Site,
  options: BenchOptions,
  command: string,
): Promise<number> {
  const results: RowResult[] = []
  for (const row of rows) {
    const result = await measureRow(row, takingPart(row, options), site, options)
    results.push(result)
    console.log(rowText(result))
  }
  const { rounds, seconds } = options
  const run = { date: new Date().toISOString(), machine: machine(), command, rounds, seconds }
  writeFileSync(options.json, `${JSON.stringify({ ...run, rows: results }, null, 1)}\n`)
  console.log(`written: ${options.json}`)
  if (options.writeBaseline) writeBaseline({ ...run, rows: results })
  if (options.check) return (await isStillWorse(rows, results, site, options)) ? 1 : 0
  return results.some(({ failure }) => failure !== undefined) ? 1 : 0
}

/** Tells of each row; one that is worse is measured once more, at length, before it counts. */
async function isStillWorse(
  rows: readonly Row[],
  results: readonly RowResult[],
  site: Site,
  options: BenchOptions,
): Promise<boolean> {
  const baseline = readBaseline()
  let isWorse = false
  for (const row of rows) {
    const result = results.find(({ name }) => name === row.name)
    if (result === undefined) continue
    let found = check(baseline, result)
    if (found.isWorse) {
      console.log(`${found.row}: ${found.text}; once more`)
      const again = await measureRow(row, takingPart(row, options), site, { ...options, rounds: 7 })
      console.log(rowText(again))
      found = check(baseline, again)
    }
    console.log(`${found.row}: ${found.text}`)
    isWorse ||= found.isWorse
  }
  return isWorse
}

function readBaseline(): Baseline {
  if (!existsSync(BASELINE)) return { recorded: '', machine: '', rows: {} }
  return JSON.parse(readFileSync(BASELINE, 'utf8')) as Baseline
}

function writeBaseline(run: RunResult): void {
  const made = baselineOf(run)
  const rows = { ...readBaseline().rows, ...made.rows }
  writeFileSync(BASELINE, `${JSON.stringify({ ...made, rows }, null, 2)}\n`)
}

function chosenRows(names: readonly string[]): readonly Row[] {
  const unknown = names.find((name) => !ROWS.some((row) => row.name === name))
  if (unknown !== undefined) throw new Error(`no row is called ${unknown}`)
  return names.length === 0 ? ROWS : ROWS.filter(({ name }) => names.includes(name))
}

function takingPart(row: Row, { rivals, variants }: BenchOptions): readonly Peer[] {
  const installed = row.rivals.flatMap((name) => {
    const peer = RIVALS.find((one) => one.name === name)
    return peer?.version() === undefined ? [] : [peer]
  })
  const chosen =
    rivals === undefined
      ? installed
      : rivals === 'first'
        ? installed.slice(0, 1)
        : installed.filter(({ name }) => rivals.includes(name))
  return [...variants.map(gwproxy), ...chosen]
}

function machine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    openssl: `node ${process.versions.openssl}, peers ${versionOf('openssl', 'version') ?? 'unknown'}`,
  }
}
