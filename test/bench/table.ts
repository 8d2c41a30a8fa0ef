/** The results as Markdown: goals first, then every proxy's figures. Pure. */
import { digits, disturbed } from './report.ts'
import {
  BUSY_ENOUGH,
  disturbance,
  OTHERS_TOO_MUCH,
  ratio,
  type RowResult,
  type RunResult,
  summary,
  verdict,
} from './result.ts'
import type { Column } from './rows/row.ts'

export const BEGIN = '<!-- bench: begin, written by test/bench/write-table.ts -->'
export const END = '<!-- bench: end -->'

/** `page` with what stands between the marks replaced. */
export function withTables(page: string, runs: readonly RunResult[]): string {
  const from = page.indexOf(BEGIN)
  const to = page.indexOf(END)
  if (from < 0 || to < from) throw new Error('the page has no place for the tables')
  return `${page.slice(0, from)}${BEGIN}\n\n${tables(runs)}\n${page.slice(to)}`
}

function tables(runs: readonly RunResult[]): string {
  const [first] = runs
  if (first === undefined) throw new Error('no result')
  // A later run of a row replaces an earlier one.
  const rows = [
    ...new Map(runs.flatMap((run) => run.rows).map((row) => [row.name, row] as const)).values(),
  ]
  return [
    machineText(first, rows),
    '## Goals\n',
    table(['what', 'goal', 'measured', ''], rows.flatMap(goalLines)),
    '## Figures\n',
    ...rows.map(rowTable),
  ].join('\n')
}

function machineText({ machine, date, rounds, seconds }: RunResult, rows: readonly RowResult[]) {
  const versions = new Map(
    rows.flatMap(({ series }) => series.map(({ name, version }) => [name, version] as const)),
  )
  const { cpu, cores, memoryGib, kernel, node, openssl } = machine
  return `Measured ${date.slice(0, 10)} on ${cpu}, ${cores} cores, ${memoryGib} GiB, Linux ${kernel}, loopback; OpenSSL of ${openssl}; Node ${node}. ${rounds} rounds of ${seconds} s.
${[...versions].map(([name, version]) => `- ${name}: ${version}`).join('\n')}
`
}

function goalLines(row: RowResult): string[][] {
  return row.goals.map((goal) => {
    const found = verdict(row, goal)
    if (found === undefined) return [row.title, goal.text, row.failure ?? 'not measured', '']
    if (goal.column === 'p99' && disturbance(row) > OTHERS_TOO_MUCH) {
      return [row.title, goal.text, `${digits(found.value, 3)}x`, 'not judged: the core was shared']
    }
    const unit = goal.rival === undefined ? '' : 'x'
    const how = found.byCpu ? ', by CPU per operation' : ''
    return [
      row.title,
      goal.text,
      `${digits(found.value, 3)}${unit}${how}`,
      found.isMet ? 'met' : '**missed**',
    ]
  })
}

function rowTable(row: RowResult): string {
  const title = `### ${row.title} (\`${row.name}\`)\n`
  if (row.failure !== undefined) return `${title}\nNot measured: ${row.failure.split('\n')[0]}\n`
  const [ours] = row.series
  const lines = row.series.map((series) => [
    series.name,
    ...row.columns.flatMap((column) => {
      const own = summary(series, column.key)
      const value =
        own === undefined ? '-' : `${digits(own.median, column.digits)}${noise(own.spread, column)}`
      if (column.better === 'neither') return [value]
      const compared =
        series === ours || ours === undefined ? undefined : ratio(ours, series, column.key)
      return [value, compared === undefined ? '' : `${digits(compared.median, 3)}x`]
    }),
  ])
  const direct = row.direct && [
    'no proxy',
    ...row.columns.flatMap((column) => {
      const isOurs = column.key === 'cpu' || column.key === 'busy'
      const value = isOurs ? undefined : row.direct?.[column.key]
      const text = value === undefined ? '' : digits(value, column.digits)
      return column.better === 'neither' ? [text] : [text, '']
    }),
  ]
  const head = row.columns.flatMap(({ label, better }) =>
    better === 'neither' ? [label] : [label, 'gwproxy is'],
  )
  return `${title}\n${table(['', ...head], direct ? [...lines, direct] : lines)}${bound(row)}${disturbed(
    row,
  )
    .map((text) => `\n${text.trim()}.\n`)
    .join('')}`
}

function noise(spread: number, { better }: Column): string {
  return better === 'neither' || spread === 0 ? '' : ` ±${Math.round(spread * 50)} %`
}

function bound({ series }: RowResult): string {
  const idle = series.filter((one) => (summary(one, 'busy')?.median ?? 1) < BUSY_ENOUGH)
  if (idle.length === 0) return ''
  return `\n${idle.map(({ name }) => name).join(', ')} did not have or use the core in full: compare CPU.\n`
}

function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`
  return `${line(head)}${line(head.map(() => '---'))}${lines.map(line).join('')}`
}
