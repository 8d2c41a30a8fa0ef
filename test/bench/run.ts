/** `npm run bench`: gwproxy and its peers side by side. test/bench/README.md says how it measures. */
import { writeFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import { resolve } from 'node:path'
import { measureRow } from './measure.ts'
import { type BenchOptions, parseOptions, USAGE } from './options.ts'
import { caddy } from './peers/caddy.ts'
import { gwproxy } from './peers/gwproxy.ts'
import { haproxy, haproxyTuned } from './peers/haproxy.ts'
import { hitch } from './peers/hitch.ts'
import { nginx } from './peers/nginx.ts'
import { type Peer, versionOf } from './peers/peer.ts'
import { rowText } from './report.ts'
import type { Machine, RowResult, RunResult } from './result.ts'
import { FRESH_ROWS } from './rows/fresh.ts'
import { HTTP_ROWS } from './rows/http.ts'
import { PASSTHROUGH_ROWS } from './rows/passthrough.ts'
import type { Row } from './rows/row.ts'
import { SCALE_ROWS } from './rows/scale.ts'
import { TERMINATE_ROWS } from './rows/terminate.ts'
import { openSite } from './site.ts'

const ROOT = resolve(import.meta.dirname, '../..')
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
  const results: RowResult[] = []
  const site = await openSite()
  try {
    for (const row of rows) {
      const result = await measureRow(row, takingPart(row, options), site, options)
      results.push(result)
      console.log(rowText(result))
    }
  } finally {
    await site.close()
  }
  const run: RunResult = {
    date: new Date().toISOString(),
    machine: machine(),
    command: argument.join(' '),
    rounds: options.rounds,
    seconds: options.seconds,
    rows: results,
  }
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify(run, null, 1)}\n`)
    console.log(`written: ${options.json}`)
  }
  return results.some(({ failure }) => failure !== undefined) ? 1 : 0
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
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    openssl: `node ${process.versions.openssl}, peers ${versionOf('openssl', 'version') ?? 'unknown'}`,
  }
}
