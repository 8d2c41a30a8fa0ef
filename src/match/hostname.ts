/**
 * The one name normaliser and the one hostname matcher, for SNI and authority alike (security.md
 * 1.3: different views of a name have bypassed client-certificate checks elsewhere).
 * Patterns as in Chain.hostname: '' any, `*.x` any number of labels left of x, else exact
 * (digest section 2.5).
 */

import { isIP } from 'node:net'

const LAST_LABEL_IS_NUMERIC = /(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$/
const MAX_LABEL = 63

/**
 * Lower-cases and strips one trailing dot. undefined: not a DNS host name (an IP literal, a bad
 * label, more than 253 octets): such a name matches nothing, not even the pattern ''.
 */
export function normalizeHostname(raw: string): string | undefined {
  if (raw.length > 254) return undefined
  const lower = raw.toLowerCase()
  const name = lower.endsWith('.') ? lower.slice(0, -1) : lower
  if (name === '' || name.length > 253) return undefined
  if (!areLabels(name)) return undefined
  // A numeric last label makes it an IPv4 address in every lenient parser (WHATWG URL).
  return LAST_LABEL_IS_NUMERIC.test(name) ? undefined : name
}

/** One or more labels of `a-z`, `0-9`, `_` and, inside only, `-`: one pass, since every client sends one. */
function areLabels(name: string): boolean {
  let length = 0
  let endsInHyphen = false
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if (code === DOT) {
      if (length === 0 || endsInHyphen) return false
      length = 0
      continue
    }
    endsInHyphen = code === HYPHEN
    length++
    if (length > MAX_LABEL || (endsInHyphen ? length === 1 : !isWordCode(code))) return false
  }
  return length > 0 && !endsInHyphen
}

const DOT = 0x2e
const HYPHEN = 0x2d
const UNDERSCORE = 0x5f

function isWordCode(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || isDigit(code) || code === UNDERSCORE
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

/**
 * What a client named as SNI or as the host of an authority (brackets of IPv6 taken off).
 * An address is no name: like no SNI at all it matches only the pattern '' (look up undefined).
 * `invalid` matches nothing and is refused.
 */
export type HostForm =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'invalid' }

export function parseHost(raw: string): HostForm {
  if (looksLikeAddress(raw) && isIP(raw) !== 0)
    return { kind: 'address', address: raw.toLowerCase() }
  const name = normalizeHostname(raw)
  return name === undefined ? { kind: 'invalid' } : { kind: 'name', name }
}

/** False for most names, which need not be tried as one. */
function looksLikeAddress(raw: string): boolean {
  return isDigit(raw.charCodeAt(raw.length - 1)) || raw.includes(':')
}

/** Whether any client can send a name that the pattern matches: `10.0.0.1` is never one. */
export function isSendable(pattern: string): boolean {
  if (pattern === '') return true
  return normalizeHostname(pattern.startsWith('*.') ? pattern.slice(2) : pattern) !== undefined
}

/** `name` is normalised. */
export function hostnameMatches(pattern: string, name: string): boolean {
  if (pattern === '') return true
  if (pattern.startsWith('*.')) {
    return name.length > pattern.length - 1 && name.endsWith(pattern.slice(1))
  }
  return pattern === name
}

/** True when every name that `inner` matches is matched by `outer` too. */
export function hostnameCovers(outer: string, inner: string): boolean {
  if (outer === '' || outer === inner) return true
  if (inner === '' || !outer.startsWith('*.')) return false
  return inner.startsWith('*.') ? inner.endsWith(outer.slice(1)) : hostnameMatches(outer, inner)
}

/** The pattern that matches exactly what both match; undefined: nothing. Patterns nest or are disjoint. */
export function intersectHostnames(a: string, b: string): string | undefined {
  if (hostnameCovers(a, b)) return b
  return hostnameCovers(b, a) ? a : undefined
}

/** Sorts most specific first: exact, then wildcards by number of labels, then ''. Total order. */
export function compareSpecificity(a: string, b: string): number {
  return rank(b) - rank(a) || b.length - a.length || (a < b ? -1 : a > b ? 1 : 0)
}

function rank(pattern: string): number {
  if (pattern === '') return 0
  let labels = 1
  for (let dot = pattern.indexOf('.'); dot !== -1; dot = pattern.indexOf('.', dot + 1)) labels++
  return pattern.startsWith('*.') ? labels : 1000 + labels
}

/** A lookup table over patterns: one Map probe per label, whatever the number of names. */
export class HostTable<T> {
  #exact: ReadonlyMap<string, T> = NOTHING
  /** Keyed by the part after `*.`. */
  #suffix: ReadonlyMap<string, T> = NOTHING
  #any: T | undefined

  /** The first entry for a pattern stays. */
  constructor(entries: Iterable<readonly [pattern: string, value: T]>) {
    const [exact, suffix] = [new Map<string, T>(), new Map<string, T>()]
    for (const [pattern, value] of entries) {
      if (pattern === '') this.#any ??= value
      else if (pattern.startsWith('*.')) setOnce(suffix, pattern.slice(2), value)
      else setOnce(exact, pattern, value)
    }
    // There may be 10,000 tables of one name each.
    if (exact.size > 0) this.#exact = exact
    if (suffix.size > 0) this.#suffix = suffix
  }

  /** Another one, in which these patterns have these values; undefined: no value any more. */
  edited(values: ReadonlyMap<string, T | undefined>): HostTable<T> {
    const table = new HostTable<T>([])
    const exact = new Map(this.#exact)
    const suffix = new Map(this.#suffix)
    table.#any = values.has('') ? values.get('') : this.#any
    for (const [pattern, value] of values) {
      if (pattern === '') continue
      const isWild = pattern.startsWith('*.')
      const map = isWild ? suffix : exact
      const key = isWild ? pattern.slice(2) : pattern
      if (value === undefined) map.delete(key)
      else map.set(key, value)
    }
    if (exact.size > 0) table.#exact = exact
    if (suffix.size > 0) table.#suffix = suffix
    return table
  }

  /** `name` is normalised; undefined (no name at all) matches only ''. */
  lookup(name: string | undefined): T | undefined {
    if (name === undefined) return this.#any
    const exact = this.#exact.get(name)
    if (exact !== undefined) return exact
    if (this.#suffix.size > 0) {
      for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
        const found = this.#suffix.get(name.slice(dot + 1))
        if (found !== undefined) return found
      }
    }
    return this.#any
  }

  /** Every value whose pattern matches, most specific first. */
  *matches(name: string | undefined): Generator<T> {
    if (name !== undefined) {
      const exact = this.#exact.get(name)
      if (exact !== undefined) yield exact
      for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
        const found = this.#suffix.get(name.slice(dot + 1))
        if (found !== undefined) yield found
      }
    }
    if (this.#any !== undefined) yield this.#any
  }
}

const NOTHING: ReadonlyMap<string, never> = new Map<string, never>()

function setOnce<T>(map: Map<string, T>, key: string, value: T): void {
  if (!map.has(key)) map.set(key, value)
}
