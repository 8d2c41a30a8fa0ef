/**
 * The process's log: pino JSON, one line an event, fixed keys. Written without blocking: when the
 * reader of stdout stalls, lines are dropped and counted, never kept without bound; when it goes
 * away (EPIPE) nothing else happens. No worker transports: files may be replaced under the daemon.
 */
import { type DestinationStream, destination, pino, stdSerializers } from 'pino'
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

/** Where lines go: logs and access lines share one, so that their order is kept. */
export interface LineSink {
  write(line: string): void
  /** Lines that were dropped because the reader did not keep up. */
  readonly dropped: number
  reopen(): void
  /** Resolves when all is written, or after `timeoutMs` when the reader stalls. */
  close(timeoutMs: number): Promise<void>
}

/** Beyond this much unread output new lines are dropped. Characters. */
const MAX_PENDING = 4 * 1024 * 1024
/** Writes up to PIPE_BUF are atomic, so that the lines of several workers do not mix. */
const MAX_WRITE = 4096

/** `target` is a file descriptor or a path. */
export function openLineSink(target: number | string): LineSink {
  return new BoundedSink(target)
}

class BoundedSink implements LineSink {
  readonly #stream: ReturnType<typeof destination>
  readonly #isFile: boolean
  #dropped = 0
  #closed = false

  constructor(target: number | string) {
    this.#isFile = typeof target === 'string'
    this.#stream = destination({
      dest: target,
      sync: false,
      mkdir: false,
      maxLength: MAX_PENDING,
      maxWrite: MAX_WRITE,
    })
    this.#stream.on('drop', () => this.#dropped++)
    // EPIPE and a full disk: the log is lost, the traffic is not.
    this.#stream.on('error', () => this.#dropped++)
  }

  get dropped(): number {
    return this.#dropped
  }

  write(line: string): void {
    if (this.#closed) this.#dropped++
    else this.#stream.write(line)
  }

  /** A descriptor that somebody else opened (standard output) has no name to open again. */
  reopen(): void {
    if (this.#isFile) this.#stream.reopen()
  }

  close(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer)
        this.#closed = true
        // Not `end`: at process exit pino would write the rest synchronously and could block.
        this.#stream.destroy()
        resolve()
      }
      const timer = setTimeout(finish, timeoutMs)
      this.#stream.flush(finish)
    })
  }
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
    format === 'pretty' ? { write: (line) => sink.write(prettyLine(line)) } : sink
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

const COLOURS: Readonly<Record<string, string>> = {
  debug: '\x1b[90m',
  info: '\x1b[32m',
  warn: '\x1b[33m',
  error: '\x1b[31m',
}

/** `12:34:56.789 INFO  message key=value`. Values are JSON, so control characters stay escaped. */
function prettyLine(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line) as Record<string, unknown>
  const name = String(level)
  const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${JSON.stringify(value)}`)
  const label = `${COLOURS[name] ?? ''}${name.toUpperCase().padEnd(5)}\x1b[0m`
  return `${String(time).slice(11, 23)} ${label} ${escapeControls(String(msg ?? ''))}${rest.join('')}\n`
}

function escapeControls(text: string): string {
  return text.replace(
    /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
