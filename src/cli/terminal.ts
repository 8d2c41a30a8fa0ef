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

/** Standard output and error of this process. A reader may leave early, as `head` does. */
export const terminal: Terminal = {
  out: (text) => write(process.stdout, text),
  err: (text) => write(process.stderr, text),
  style: (style, text) => styleText(style, text, { stream: process.stdout }),
}

function write(stream: NodeJS.WriteStream, text: string): void {
  if (stream.listenerCount('error', onWriteError) === 0) stream.on('error', onWriteError)
  stream.write(`${text}\n`)
}

function onWriteError(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
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
