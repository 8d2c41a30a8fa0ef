/**
 * Access lines as text: for exchanges the combined format that Apache and nginx made, so that its
 * readers understand the lines, with our facts behind it; for connections the same shape. Whatever a
 * stranger chose stands between quotes, escaped as Apache does.
 */

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

export type AccessLine = Readonly<Record<string, unknown>>

/** `line` has the fields of the JSON line. Ends without a newline. */
export function textLine(line: AccessLine): string {
  return line['log'] === 'exchange' ? exchangeText(line) : connectionText(line)
}

function exchangeText(line: AccessLine): string {
  const request = `${text(line['method'])} ${text(line['path'])} ${text(line['protocol'])}`
  return [
    bare(line['client']),
    '- -',
    clock(line['start_time']),
    quoted(request),
    bare(line['response_code']),
    bare(line['bytes_sent']),
    '"-"',
    quoted(line['user-agent']),
    quoted(line[':authority']),
    ...ending(line),
  ].join(' ')
}

function connectionText(line: AccessLine): string {
  return [
    bare(line['client']),
    '- -',
    clock(line['start_time']),
    quoted(`CONNECT ${text(line['requested_server_name'] ?? '-')} ${text(line['action'] ?? '-')}`),
    '-',
    bare(line['bytes_sent']),
    '"-" "-"',
    quoted(line['bind']),
    ...ending(line),
  ].join(' ')
}

function ending(line: AccessLine): readonly string[] {
  return [
    quoted(line['route_name']),
    bare(line['upstream_host']),
    `${bare(line['duration'])}ms`,
    bare(line['reason']),
    bare(line['connection_id']),
  ]
}

/** [10/Oct/2000:13:55:36 +0000] */
function clock(iso: unknown): string {
  const [date = '', time = ''] = text(iso).split('T')
  const [year, month, day] = date.split('-')
  return `[${day}/${MONTHS[Number(month) - 1]}/${year}:${time.slice(0, 8)} +0000]`
}

/** Without spaces: words and addresses of ours. */
function bare(value: unknown): string {
  const word = text(value)
  return word === '' ? '-' : escaped(word).replaceAll(' ', '\\x20')
}

function quoted(value: unknown): string {
  const word = text(value)
  return word === '' ? '"-"' : `"${escaped(word)}"`
}

function escaped(word: string): string {
  return word.replace(/["\\]|[^\x20-\x7e]/g, (character) => {
    if (character === '"' || character === '\\') return `\\${character}`
    return [...Buffer.from(character)]
      .map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`)
      .join('')
  })
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}
