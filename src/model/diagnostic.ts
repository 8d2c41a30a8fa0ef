/** What is wrong with the user's files, as values: file:line:column, path, expectation, remedy. */

/** A place in a file. `line` and `column` are 1-based; 1:1 stands for the file as a whole. */
export interface Origin {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** `note`: works here, worth knowing elsewhere (portability); `check` tells it, the daemon does not. */
export type Severity = 'error' | 'warning' | 'note'

export type DiagnosticCode =
  | 'source-unreadable'
  | 'source-too-large'
  | 'source-missing'
  | 'yaml-syntax'
  | 'not-an-object'
  | 'unknown-kind'
  | 'unsupported-version'
  | 'schema'
  | 'unknown-field'
  | 'duplicate-object'
  | 'secret-files'
  | 'reference'
  | 'grant-missing'
  | 'conflict'
  | 'attachment'
  | 'unsupported'
  | 'certificate'
  | 'portability'
  | 'nothing-to-serve'
  | 'address'
  /** A defect of ours, or our environment; the configuration before stays. */
  | 'internal'

export interface Diagnostic {
  readonly severity: Severity
  readonly code: DiagnosticCode
  readonly origin: Origin
  /** `Kind namespace/name`, when the object is known that far. */
  readonly object?: string
  /** Path in the document, such as `spec.listeners[0].port`. */
  readonly path?: string
  /** One sentence: what is wrong and what was expected. */
  readonly message: string
  /** What to do; may hold YAML to paste (a ReferenceGrant). */
  readonly help?: string
}

export type DocumentPath = readonly (string | number)[]

/** `spec.rules[0].matches`; keys that are no identifiers are quoted. */
export function formatPath(path: DocumentPath): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else if (/^[A-Za-z_][A-Za-z0-9_-]*$/.test(part)) text += text === '' ? part : `.${part}`
    else text += `[${JSON.stringify(part)}]`
  }
  return text
}

/** `file:line:column`, the form that editors and terminals turn into a link. */
export function formatOrigin(origin: Origin): string {
  return `${origin.file}:${origin.line}:${origin.column}`
}
