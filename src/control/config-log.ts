/**
 * What the log tells of configurations: one line for each that is applied or refused, and every
 * problem when it appears, not again with each pass.
 */
import type { ConfigUpdate } from '../ipc/messages.ts'
import { type Diagnostic, formatOrigin } from '../model/diagnostic.ts'
import type { BindKey } from '../model/identity.ts'
import type { Logger } from '../observe/log.ts'
import { capLength } from '../observe/redact.ts'
import type { Settlement } from './publisher.ts'

/** A line names so many binds; `binds` counts all. */
const MAX_NAMED = 20
/** Characters of a problem: names in files may have any length. */
const MAX_TEXT = 2000

export class ConfigLog {
  readonly #log: Logger
  #problems: ReadonlySet<string> = new Set()
  #failures: ReadonlySet<string> = new Set()
  #open: ReadonlySet<BindKey> = new Set()
  #generation = 0

  constructor(log: Logger) {
    this.#log = log
  }

  problems(diagnostics: readonly Diagnostic[]): void {
    const known = this.#problems
    const texts = new Map(diagnostics.map((one) => [problemText(one), one]))
    for (const [text, { severity, code, object, help }] of texts) {
      if (known.has(text)) continue
      const fields = { code, ...(object && { object }), ...(help && { help }) }
      this.#log[severity === 'error' ? 'error' : 'warn'](fields, capLength(text, MAX_TEXT))
    }
    this.#problems = new Set(texts.keys())
  }

  /** `settlement`: of a revision that was not told yet. */
  settled({ counts, diagnostics, durationMs }: ConfigUpdate, settlement: Settlement): void {
    const { generation, results, refusals } = settlement
    if (refusals.length > 0) {
      const message = 'configuration refused; the one before keeps serving'
      this.#log.error({ generation, refusals }, message)
      return
    }
    this.#bindFailures(settlement)
    const before = this.#open
    const open = new Set(results.filter(({ error }) => !error).map(({ bind }) => bind))
    const opened = [...open].filter((bind) => !before.has(bind))
    const closed = [...before].filter((bind) => !open.has(bind))
    const isNews = generation !== this.#generation || opened.length + closed.length > 0
    this.#open = open
    this.#generation = generation
    // Another try of a bind that failed, with the same end.
    if (!isNews) return
    const fields = {
      generation,
      ...counts,
      binds: open.size,
      ...some('opened', opened),
      ...some('closed', closed),
      failedBinds: results.length - open.size,
      problems: diagnostics.length,
      durationMs: Math.round(durationMs),
    }
    this.#log.info(fields, 'configuration applied')
  }

  #bindFailures({ results }: Settlement): void {
    const known = this.#failures
    const failures = new Set<string>()
    for (const { bind, error } of results) {
      if (error === undefined) continue
      const text = `${bind} ${error.message}`
      failures.add(text)
      if (!known.has(text)) this.#log.error({ bind, errno: error.errno }, error.message)
    }
    this.#failures = failures
  }
}

function some(name: string, binds: readonly BindKey[]): Readonly<Record<string, unknown>> {
  return binds.length === 0 ? {} : { [name]: binds.slice(0, MAX_NAMED) }
}

function problemText({ origin, path, message }: Diagnostic): string {
  return `${formatOrigin(origin)}: ${path === undefined ? '' : `${path}: `}${message}`
}
