/**
 * Reads the plain part of YAML that manifests are almost always written in: block mappings and
 * sequences, one-line flow collections, one-line scalars, comments, printable ASCII. Ten times as
 * fast as the yaml library, which gets every document that holds anything else: this reader never
 * guesses. A differential test holds it to the library's results.
 */

export interface PlainDocument {
  readonly value: unknown
}

const MAX_DEPTH = 64
const UNUSUAL_CHARACTER = /[^\n\x20-\x7e]/
const ENTRY = /^([A-Za-z_][A-Za-z0-9_./-]{0,200}):(?: +(.*))?$/
/** Words that YAML 1.2's core schema does not read as text. */
const NULLS: ReadonlySet<string> = new Set(['~', 'null', 'Null', 'NULL'])
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...['true', 'True', 'TRUE'].map((word) => [word, true] as const),
  ...['false', 'False', 'FALSE'].map((word) => [word, false] as const),
])
const PLAIN_INTEGER = /^(?:0|[1-9][0-9]{0,14})$/
const NUMBER_LIKE =
  /^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/

interface Line {
  readonly indent: number
  readonly content: string
}

class NotPlainError extends Error {}

/** Undefined: not plain, or not valid; ask the library. */
export function readPlainYaml(text: string): PlainDocument | undefined {
  if (UNUSUAL_CHARACTER.test(text)) return undefined
  try {
    return { value: new Reader(linesOf(text)).document() }
  } catch (error) {
    if (error instanceof NotPlainError) return undefined
    throw error
  }
}

/** The lines with content. */
function linesOf(text: string): Line[] {
  const lines: Line[] = []
  let canStart = true
  for (const raw of text.split('\n')) {
    const content = raw.trim()
    if (content === '' || content.startsWith('#')) continue
    const indent = raw.indexOf(content[0] ?? '')
    if (indent === 0 && /^(?:---|\.\.\.|%)/.test(content)) {
      if (content !== '---' || !canStart) throw new NotPlainError()
    } else lines.push({ indent, content })
    canStart = false
  }
  return lines
}

class Reader {
  readonly #lines: readonly Line[]
  #at = 0

  constructor(lines: readonly Line[]) {
    this.#lines = lines
  }

  document(): unknown {
    const [first] = this.#lines
    if (first === undefined || first.indent !== 0) throw new NotPlainError()
    const value = this.#block(0, 0)
    if (this.#at < this.#lines.length) throw new NotPlainError()
    return value
  }

  /** The mapping or sequence whose lines start at `indent`. */
  #block(indent: number, depth: number): unknown {
    if (depth > MAX_DEPTH) throw new NotPlainError()
    const content = this.#lines[this.#at]?.content ?? ''
    return isItem(content) ? this.#sequence(indent, depth) : this.#mapping(indent, undefined, depth)
  }

  /** `first` is an entry that stands behind the dash of a sequence item on the line before. */
  #mapping(indent: number, first: string | undefined, depth: number): unknown {
    const mapping: Record<string, unknown> = {}
    for (
      let content = first ?? this.#take(indent);
      content !== undefined;
      content = this.#take(indent)
    ) {
      const entry = ENTRY.exec(content)
      const key = entry?.[1]
      if (key === undefined || key === '__proto__' || Object.hasOwn(mapping, key)) {
        throw new NotPlainError()
      }
      const rest = withoutComment(entry?.[2] ?? '')
      mapping[key] = rest === '' ? this.#nested(indent, true, depth) : this.#inline(rest, indent)
    }
    return mapping
  }

  #sequence(indent: number, depth: number): unknown[] {
    const items: unknown[] = []
    for (;;) {
      const next = this.#lines[this.#at]
      if (next?.indent !== indent || !isItem(next.content)) return items
      this.#at += 1
      items.push(this.#item(next.content, indent, depth))
    }
  }

  #item(content: string, indent: number, depth: number): unknown {
    const rest = content.slice(1).trimStart()
    if (withoutComment(rest) === '') return this.#nested(indent, false, depth)
    const column = indent + content.length - rest.length
    if (isItem(rest) || depth > MAX_DEPTH) throw new NotPlainError()
    if (ENTRY.test(rest)) return this.#mapping(column, rest, depth + 1)
    return this.#inline(withoutComment(rest), indent)
  }

  /** The content of the next line when it belongs to the mapping at `indent`. */
  #take(indent: number): string | undefined {
    const next = this.#lines[this.#at]
    if (next === undefined || next.indent < indent) return undefined
    if (next.indent > indent || isItem(next.content)) {
      // A sequence on the level of its parent's key ends the mapping that it is not part of.
      if (next.indent === indent) return undefined
      throw new NotPlainError()
    }
    this.#at += 1
    return next.content
  }

  /** What stands below a key or dash without a value: a deeper block, or nothing. */
  #nested(indent: number, mayBeLevel: boolean, depth: number): unknown {
    const next = this.#lines[this.#at]
    if (next === undefined) return null
    if (next.indent > indent) return this.#block(next.indent, depth + 1)
    return mayBeLevel && next.indent === indent && isItem(next.content)
      ? this.#sequence(indent, depth + 1)
      : null
  }

  /** A value that ends on its line; a deeper line behind it would continue it. */
  #inline(text: string, indent: number): unknown {
    const next = this.#lines[this.#at]
    if (next !== undefined && next.indent > indent) throw new NotPlainError()
    return readInline(text)
  }
}

function isItem(content: string): boolean {
  return content === '-' || content.startsWith('- ')
}

function withoutComment(text: string): string {
  if (text.startsWith('#')) return ''
  const first = text[0]
  // In quotes and brackets a # may be part of a text; their readers see to it.
  if (first === '"' || first === "'" || first === '[' || first === '{') return text
  const hash = text.indexOf(' #')
  return hash === -1 ? text : text.slice(0, hash).trimEnd()
}

function readInline(text: string): unknown {
  const flow = new FlowReader(text)
  return flow.isFlow ? flow.whole() : plainScalar(text)
}

/** Plain text of a block: no `: `, no indicator at its start. */
function plainScalar(text: string): unknown {
  if (!/^[A-Za-z0-9_/.~+$^(-]/.test(text) || /:(?: |$)/.test(text)) throw new NotPlainError()
  if (/^-(?![A-Za-z0-9.])/.test(text)) throw new NotPlainError()
  return resolve(text)
}

function resolve(text: string): unknown {
  if (PLAIN_INTEGER.test(text)) return Number(text)
  if (NULLS.has(text)) return null
  const boolean = BOOLEANS.get(text)
  if (boolean !== undefined) return boolean
  // Other numbers are rare, and reading them is the library's trade.
  if (NUMBER_LIKE.test(text)) throw new NotPlainError()
  return text
}

/** Quoted scalars and flow collections that end on their line. */
class FlowReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  get isFlow(): boolean {
    return /^["'[{]/.test(this.#text)
  }

  whole(): unknown {
    const value = this.#value(0)
    if (!/^(?: +#.*)?$/.test(this.#text.slice(this.#at))) throw new NotPlainError()
    return value
  }

  #value(depth: number): unknown {
    if (depth > MAX_DEPTH) throw new NotPlainError()
    switch (this.#text[this.#at]) {
      case '[':
        return this.#sequence(depth)
      case '{':
        return this.#mapping(depth)
      case '"':
        return this.#match(/"([^"\\]*)"/y)
      case "'":
        return this.#match(/'((?:[^']|'')*)'(?!')/y).replaceAll("''", "'")
      default:
        return resolve(
          this.#match(/([A-Za-z0-9_./](?:[A-Za-z0-9_./+ -]*[A-Za-z0-9_./+-])?)(?= *[,\]}])/y),
        )
    }
  }

  #sequence(depth: number): unknown[] {
    const items: unknown[] = []
    this.#match(/(\[) */y)
    if (this.#skip(']')) return items
    for (;;) {
      items.push(this.#value(depth + 1))
      if (this.#match(/ *([,\]]) */y) === ']') return this.#close(items)
    }
  }

  #mapping(depth: number): unknown {
    const mapping: Record<string, unknown> = {}
    this.#match(/(\{) */y)
    if (this.#skip('}')) return mapping
    for (;;) {
      const key = this.#match(/([A-Za-z_][A-Za-z0-9_./-]{0,200}): +/y)
      if (key === '__proto__' || Object.hasOwn(mapping, key)) throw new NotPlainError()
      mapping[key] = this.#value(depth + 1)
      if (this.#match(/ *([,}]) */y) === '}') return this.#close(mapping)
    }
  }

  /** Blanks behind a closing bracket were taken with it; a comment there needs one before it. */
  #close<T>(value: T): T {
    while (this.#text[this.#at - 1] === ' ') this.#at -= 1
    return value
  }

  #skip(character: string): boolean {
    if (this.#text[this.#at] !== character) return false
    this.#at += 1
    return true
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match === null) throw new NotPlainError()
    this.#at = pattern.lastIndex
    return match[1] ?? ''
  }
}
