/** Problems for people (text), programs (json) and GitHub annotations. */
import { type Diagnostic, formatOrigin, type Severity } from '../model/diagnostic.ts'
import type { Style, Terminal } from './terminal.ts'

export type DiagnosticOutput = 'text' | 'json' | 'github'

const STYLES = { error: 'red', warning: 'yellow', note: 'cyan' } as const satisfies Record<
  Severity,
  Style
>

/** GitHub's names of the severities. */
const ANNOTATIONS = {
  error: 'error',
  warning: 'warning',
  note: 'notice',
} as const satisfies Record<Severity, string>

/**
 * text: `file:line:column: error: message` with object, path and remedy below it, so that editors
 * and terminals can jump to the place.
 */
export function printDiagnostics(diagnostics: readonly Diagnostic[], terminal: Terminal): void {
  for (const diagnostic of diagnostics) terminal.out(formatDiagnostic(diagnostic, terminal))
}

export function formatDiagnostic(diagnostic: Diagnostic, terminal: Terminal): string {
  const severity = terminal.style(STYLES[diagnostic.severity], diagnostic.severity)
  const place = terminal.style('bold', formatOrigin(diagnostic.origin))
  const where = [diagnostic.object, diagnostic.path].filter((part) => part !== undefined).join(', ')
  const lines = [`${place}: ${severity}: ${diagnostic.message}`]
  if (where !== '') lines.push(terminal.style('dim', `    in ${where}`))
  if (diagnostic.help !== undefined) {
    lines.push(
      ...diagnostic.help
        .trimEnd()
        .split('\n')
        .map((line) => `    ${line}`),
    )
  }
  return lines.join('\n')
}

/** https://docs.github.com workflow commands: one annotation per problem. */
export function formatGithub(diagnostic: Diagnostic): string {
  const { origin, severity, message, object, path } = diagnostic
  const title = [object, path].filter((part) => part !== undefined).join(' ')
  const properties = [
    `file=${escapeProperty(origin.file)}`,
    `line=${origin.line}`,
    `col=${origin.column}`,
    ...(title === '' ? [] : [`title=${escapeProperty(title)}`]),
  ]
  const text = diagnostic.help === undefined ? message : `${message}\n${diagnostic.help}`
  return `::${ANNOTATIONS[severity]} ${properties.join(',')}::${escapeData(text)}`
}

/** `3 errors, 1 warning`; notes are not counted. */
export function countText(diagnostics: readonly Diagnostic[]): string {
  const count = (wanted: Severity): number =>
    diagnostics.filter(({ severity }) => severity === wanted).length
  return `${plural(count('error'), 'error')}, ${plural(count('warning'), 'warning')}`
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
}
