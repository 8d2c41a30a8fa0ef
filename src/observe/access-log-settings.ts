/** What of the access log is written, where and how: the operator's choice, plain data. */

/** Of a log: a file is opened anew on SIGUSR1. */
export type LogTarget = 'stdout' | { readonly path: string }

export interface AccessLogSettings {
  readonly target: LogTarget
  readonly format: 'json' | 'text'
  /** Share of the lines of good ends that is written, 0 to 1; failures are never sampled. */
  readonly sample: number
  /** A line that one of them fits is not written. */
  readonly skip: readonly SkipRule[]
}

/** `value` is compared with the field as the JSON line shows it; `isPrefix`: with its beginning. */
export interface SkipRule {
  readonly field: string
  readonly value: string
  readonly isPrefix: boolean
}

export const DEFAULT_ACCESS_LOG: AccessLogSettings = {
  target: 'stdout',
  format: 'json',
  sample: 1,
  skip: [],
}

/** `path=/healthz`, `user-agent=kube-probe*`; undefined: not of that form. */
export function parseSkipRule(text: string): SkipRule | undefined {
  const match = /^([a-z:][a-z0-9_:-]*)=(.*?)(\*?)$/.exec(text)
  if (match === null) return undefined
  const [, field = '', value = '', star] = match
  return { field, value, isPrefix: star === '*' }
}
