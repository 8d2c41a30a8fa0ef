/**
 * YAML 1.2 (and so JSON) text to plain values with positions. A file is split at its document
 * markers first: an error in one document does not lose the others, and a document whose text is
 * unchanged is not parsed again. Positions are found by parsing a document once more on demand,
 * since keeping the syntax trees of 10,000 documents would cost more than the manifests.
 *
 * `<<` merges as in YAML 1.1, since kubectl accepts it; 100 alias expansions at most. Tags other
 * than YAML's core ones, duplicate keys and keys that are no scalars are errors.
 */
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  type YAMLError,
} from 'yaml'
import type { Digest } from '../base/brand.ts'
import { digestOfText } from '../base/digest.ts'
import { messageOf } from '../base/errors.ts'
import type { DocumentPath } from '../model/diagnostic.ts'
import { readPlainYaml } from './plain-yaml.ts'

/** The text of one document within a file. */
export interface DocumentText {
  readonly text: string
  /** Line of the file at which the text starts, from 1. */
  readonly line: number
  readonly digest: Digest
}

/** A place within a DocumentText; both from 1. */
export interface Spot {
  readonly line: number
  readonly column: number
}

export type ParsedDocument =
  | { readonly kind: 'value'; readonly value: unknown }
  /** Nothing but comments, or an explicit null. */
  | { readonly kind: 'empty' }
  | ({ readonly kind: 'broken' } & SyntaxProblem)

export interface SyntaxProblem {
  readonly spot: Spot
  /** Never holds text of the document: it might be a key. */
  readonly message: string
}

const MAX_ALIASES = 100

/** Splits at `---` and `...`, which YAML allows at the start of a line for nothing else. */
export function splitDocuments(text: string): DocumentText[] {
  const documents: DocumentText[] = []
  let start = 0
  let line = 1
  const cut = (end: number): void => {
    const part = text.slice(start, end)
    // Directives belong to the document that their `---` starts.
    if (isDirectivesOnly(part)) return
    if (hasContent(part)) documents.push({ text: part, line, digest: digestOfText(part) })
    line += countLines(part)
    start = end
  }
  for (const marker of text.matchAll(/(?<![^\r\n])(?:---|\.\.\.)(?=[ \t\r\n]|$)/g)) {
    if (marker[0] === '---') cut(marker.index)
    else cut(endOfLine(text, marker.index))
  }
  cut(text.length)
  return documents
}

export function parseText(text: string): ParsedDocument {
  const plain = readPlainYaml(text)
  return plain === undefined ? parseWithLibrary(text) : { kind: 'value', value: plain.value }
}

/** The whole of YAML 1.2, and the positions of errors. */
export function parseWithLibrary(text: string): ParsedDocument {
  const { document, lines } = composedOf(text)
  // One mistake often makes the parser stumble many times more: the first one tells.
  const [error] = [...document.errors, ...document.warnings]
  if (error !== undefined) return { kind: 'broken', ...problemOf(error, lines) }
  const repeated = repeatedKey(document)
  if (repeated !== undefined) {
    const spot = spotAt(lines, startOf(repeated) ?? 0)
    return { kind: 'broken', spot, message: 'Map keys must be unique' }
  }
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES })
    return value === null || value === undefined ? { kind: 'empty' } : { kind: 'value', value }
  } catch (error) {
    // Unknown anchors and alias bombs only show when the value is built.
    return { kind: 'broken', spot: firstAlias(document, lines), message: messageOf(error) }
  }
}

/** Where the document's value starts. */
export function startSpot(text: string): Spot {
  const first = /^(?:---)?[ \t]*(?:#.*)?\r?\n/
  let rest = text
  let line = 1
  for (let match = first.exec(rest); match !== null; match = first.exec(rest)) {
    rest = rest.slice(match[0].length)
    line += 1
  }
  // A value beside the marker or behind directives: rare, and worth a parse.
  if (/^(?:---|%)/.test(rest)) return findSpot(text, [])
  return { line, column: 1 + (/^ */.exec(rest)?.[0].length ?? 0) }
}

/**
 * Where the value at `path` stands (`value`), or its key (`key`): the place of the nearest existing
 * parent when there is no such field.
 */
export function findSpot(text: string, path: DocumentPath, what: 'value' | 'key' = 'value'): Spot {
  const { document, lines } = composedOf(text)
  let node: unknown = document.contents
  let offset = startOf(node) ?? 0
  for (const [index, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document)
    const isLast = index === path.length - 1
    if (isMap(node)) {
      const pair: Pair | undefined = node.items.find((item) => keyOf(item) === String(step))
      if (pair === undefined) break
      const value = isEmptyValue(pair.value) ? undefined : startOf(pair.value)
      const key = startOf(pair.key)
      offset = (isLast && what === 'key' ? key : (value ?? key)) ?? offset
      node = pair.value
    } else if (isSeq(node)) {
      const item: unknown = node.items[Number(step)]
      if (item === undefined) break
      offset = startOf(item) ?? offset
      node = item
    } else break
  }
  return spotAt(lines, offset)
}

interface Composed {
  readonly text: string
  readonly document: Document
  readonly lines: LineCounter
}

/** A document's problems are located right after it was parsed, one after the other. */
let lastComposed: Composed | undefined

function composedOf(text: string): Composed {
  if (lastComposed?.text !== text) {
    const lines = new LineCounter()
    lastComposed = { text, document: compose(text, lines), lines }
  }
  return lastComposed
}

function compose(text: string, lineCounter: LineCounter): Document {
  return parseDocument(text, {
    lineCounter,
    version: '1.2',
    schema: 'core',
    merge: true,
    stringKeys: true,
    // The library compares each key with each other; see repeatedKey.
    uniqueKeys: false,
    resolveKnownTags: false,
    // Its snippets would quote the text, which may be a private key.
    prettyErrors: false,
    logLevel: 'error',
  })
}

function problemOf(error: YAMLError, lines: LineCounter): SyntaxProblem {
  return { spot: spotAt(lines, error.pos[0]), message: withoutQuotes(error) }
}

/** The library's own stack is the limit: some hundred levels. */
const TOO_DEEP = 'Maximum call stack size exceeded'

/** Some of the library's messages end in the offending text: `... token in YAML stream: "..."`. */
function withoutQuotes(error: YAMLError): string {
  if (error.message.startsWith(TOO_DEEP)) return 'nested too deeply'
  return error.code === 'UNEXPECTED_TOKEN'
    ? error.message.replace(/ in YAML stream.*$/s, '').replace(/: ".*$/s, '')
    : (error.message.split('\n')[0] ?? error.message)
}

function firstAlias(document: Document, lines: LineCounter): Spot {
  for (const node of nodesOf(document)) {
    if (isAlias(node)) return spotAt(lines, startOf(node) ?? 0)
  }
  return { line: 1, column: 1 }
}

function repeatedKey(document: Document): unknown {
  for (const node of nodesOf(document)) {
    if (!isMap(node)) continue
    const seen = new Set<string>()
    for (const pair of node.items) {
      const key = keyOf(pair)
      if (key === undefined) continue
      if (seen.has(key)) return pair.key
      seen.add(key)
    }
  }
  return undefined
}

/** All nodes, in the order of the text. */
function* nodesOf(document: Document): Generator<unknown> {
  const pending: unknown[] = [document.contents]
  while (pending.length > 0) {
    const node = pending.pop()
    yield node
    if (isMap(node)) for (const pair of node.items.toReversed()) pending.push(pair.value, pair.key)
    else if (isSeq(node)) for (const item of node.items.toReversed()) pending.push(item)
  }
}

function keyOf(pair: Pair): string | undefined {
  return isScalar(pair.key) ? String(pair.key.value) : undefined
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined
}

/** `key:` without a value: its place would be somewhere behind the colon. */
function isEmptyValue(node: unknown): boolean {
  return isScalar(node) && node.value === null && node.range?.[0] === node.range?.[1]
}

function spotAt(lines: LineCounter, offset: number): Spot {
  const { line, col } = lines.linePos(offset)
  return { line: Math.max(1, line), column: Math.max(1, col) }
}

function isDirectivesOnly(part: string): boolean {
  // Most have none at all.
  if (!part.includes('%')) return false
  return /^%/m.test(part) && part.split('\n').every((line) => /^\s*$|^\s*#|^%/.test(line))
}

function hasContent(part: string): boolean {
  return part.split('\n').some((line) => !/^\s*(#|$)|^(---|\.\.\.)\s*(#|$)/.test(line))
}

function countLines(part: string): number {
  let count = 0
  for (let at = part.indexOf('\n'); at !== -1; at = part.indexOf('\n', at + 1)) count += 1
  return count
}

function endOfLine(text: string, from: number): number {
  const newline = text.indexOf('\n', from)
  return newline === -1 ? text.length : newline + 1
}
