/** A row's result as text for people. Pure. */
import {
  disturbance,
  OTHERS_TOO_MUCH,
  ratio,
  type RowResult,
  type Series,
  summary,
  verdict,
} from './result.ts'
import type { Column } from './rows/row.ts'

export function rowText(row: RowResult): string {
  const head = `== ${row.name}: ${row.title}`
  if (row.failure !== undefined) return `${head}\n   not measured: ${row.failure}\n`
  const table = [
    ['', ...row.columns.flatMap(headOf)],
    ...row.series.map((series, index) => line(row, series, index === 0)),
    ...(row.direct === undefined
      ? []
      : [['no proxy', ...row.columns.flatMap((column) => directCells(row, column))]]),
  ]
  const goals = row.goals.flatMap((goal) => {
    const found = verdict(row, goal)
    if (found === undefined) return []
    const how = found.byCpu ? ' by CPU per operation, since not both used their core in full' : ''
    return [`   ${found.isMet ? 'met   ' : 'MISSED'} ${goal.text}: ${digits(found.value, 3)}${how}`]
  })
  return [head, ...aligned(table), ...goals, ...disturbed(row), ''].join('\n')
}

/** In a line of its own, where it was so. */
export function disturbed(row: RowResult): string[] {
  const share = disturbance(row)
  if (share <= OTHERS_TOO_MUCH) return []
  return [
    `   other processes used ${Math.round(share * 100)} % of the proxies' core: trust CPU, not rates`,
  ]
}

function headOf({ label, better }: Column): string[] {
  return better === 'neither' ? [label] : [label, '+-', 'gwproxy is']
}

function line(row: RowResult, series: Series, isOurs: boolean): string[] {
  const [ours] = row.series
  return [
    series.name,
    ...row.columns.flatMap((column) => {
      const own = summary(series, column.key)
      if (own === undefined) return column.better === 'neither' ? ['-'] : ['-', '', '']
      const value = digits(own.median, column.digits)
      if (column.better === 'neither') return [value]
      const compared = isOurs || ours === undefined ? undefined : ratio(ours, series, column.key)
      return [
        value,
        `${(own.spread * 50).toFixed(0)}%`,
        compared === undefined
          ? ''
          : `${digits(compared.median, 3)}x (${digits(compared.low, 3)}-${digits(compared.high, 3)})`,
      ]
    }),
  ]
}

function directCells({ direct }: RowResult, column: Column): string[] {
  const value = column.key === 'cpu' || column.key === 'busy' ? undefined : direct?.[column.key]
  const text = value === undefined ? '-' : digits(value, column.digits)
  return column.better === 'neither' ? [text] : [text, '', '']
}

/** `count` digits, zeros in front of the point not counted; never an exponent. */
export function digits(value: number, count: number): string {
  if (!Number.isFinite(value)) return '-'
  const whole = Math.abs(value) >= 1 ? Math.floor(Math.log10(Math.abs(value))) + 1 : 0
  return value.toFixed(Math.max(0, count - whole))
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths =
    rows[0]?.map((_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length))) ?? []
  return rows.map((row) =>
    `   ${row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  ')}`.trimEnd(),
  )
}
