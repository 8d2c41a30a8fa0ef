/** What commands print with: colour on a terminal only, tables, one exit code per meaning. */
import { styleText } from 'node:util'

/** 0: done, nothing wrong. 1: problems were found or the daemon refused. 2: wrong usage. */
export const EXIT = { ok: 0, problems: 1, usage: 2 } as const

export type Style = 'bold' | 'dim' | 'red' | 'yellow' | 'green' | 'cyan'

export interface Terminal {
  out(text: string): void
  err(text: string): void
  /** Styled on a terminal, plain elsewhere (NO_COLOR and FORCE_COLOR are honoured). */
  style(style: Style, text: string): string
}

/** Standard output and error of this process. */
export const terminal: Terminal = {
  out: (text) => void process.stdout.write(`${text}\n`),
  err: (text) => void process.stderr.write(`${text}\n`),
  style: (style, text) => styleText(style, text, { stream: process.stdout }),
}

/** Columns padded to their widest cell; `visible` cells may hold escape codes. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, visibleLength(cell))
    })
  }
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - visibleLength(cell)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function visibleLength(text: string): number {
  return text.replace(/\x1b\[[0-9;]*m/g, '').length
}
