/**
 * The process's log: pino JSON, one line an event, fixed keys; or lines for people at a terminal.
 * Writes through a LineSink. No worker transports: files may be replaced under the daemon.
 */
import { styleText } from 'node:util'
import { type DestinationStream, pino, stdSerializers } from 'pino'
import type { LineSink } from './line-sink.ts'
import { redactSecrets } from './redact.ts'

/** Keys have one meaning everywhere. */
export interface LogFields {
  readonly generation?: number
  readonly bind?: string
  readonly listener?: string
  readonly route?: string
  readonly connection?: string
  readonly upstream?: string
  readonly endpoint?: string
  readonly worker?: number
  readonly file?: string
  readonly reason?: string
  readonly errno?: string | undefined
  readonly durationMs?: number
  readonly err?: unknown
  readonly [key: string]: unknown
}

export interface Logger {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
}

export interface LogOptions {
  readonly level: string
  readonly format: 'json' | 'pretty'
  readonly sink: LineSink
  /** Fields of every line, such as the worker's number. */
  readonly base?: LogFields
}

export function createLogger({ level, format, sink, base }: LogOptions): Logger {
  const stream: DestinationStream =
    format === 'pretty'
      ? { write: (line) => sink.write(prettyLine(line, sink.isFile !== true)) }
      : sink
  return pino(
    {
      level,
      base: base ?? null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError },
    },
    stream,
  )
}

function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return redactSecrets(String(error))
  const { type, message, stack } = stdSerializers.err(error)
  return { type, message: redactSecrets(message), stack: redactSecrets(stack) }
}

const STYLES: Readonly<Record<string, 'gray' | 'green' | 'yellow' | 'red'>> = {
  debug: 'gray',
  info: 'green',
  warn: 'yellow',
  error: 'red',
  fatal: 'red',
}

/** `12:34:56.789 INFO  message key=value`. Values are JSON, so control characters stay escaped. */
function prettyLine(line: string, mayStyle: boolean): string {
  const { level, time, msg, ...fields } = JSON.parse(line) as Record<string, unknown>
  const name = String(level)
  const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${JSON.stringify(value)}`)
  // Plain outside of a terminal; NO_COLOR and FORCE_COLOR are honoured.
  const plain = name.toUpperCase().padEnd(5)
  const label = mayStyle
    ? styleText(STYLES[name] ?? 'gray', plain, { stream: process.stdout })
    : plain
  return `${String(time).slice(11, 23)} ${label} ${escapeControls(String(msg ?? ''))}${rest.join('')}\n`
}

function escapeControls(text: string): string {
  return text.replace(
    /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
