/**
 * zod issues to sentences: where, what was expected, what was found. Values are quoted only when
 * the caller allows it; those of Secrets never are.
 */
import type * as z from 'zod'
import { type DocumentPath, formatPath } from '../model/diagnostic.ts'
import { nearest } from './near-miss.ts'

type Issue = z.core.$ZodIssue

export interface IssueText {
  readonly path: DocumentPath
  /** What to point at: the key of a field that should not be there, else the value. */
  readonly at: 'value' | 'key'
  readonly unknownField: boolean
  /** A sentence; the path is told beside it. */
  readonly message: string
}

export interface IssueContext {
  /** The object that was checked. */
  readonly root: unknown
  readonly fieldsAt: (path: DocumentPath) => readonly string[]
  readonly mayQuote: boolean
}

/** One sentence per problem; an unknown field is one problem each. */
export function describeIssue(issue: Issue, context: IssueContext): IssueText[] {
  const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => unknownField(path, key, context))
  }
  const nested = issue.code === 'invalid_union' ? closestOption(issue) : undefined
  if (nested !== undefined) {
    return nested.flatMap((inner) =>
      describeIssue({ ...inner, path: [...issue.path, ...inner.path] }, context),
    )
  }
  const subject = path.length === 0 ? 'the object' : leafOf(path)
  const value = valueAt(context.root, path)
  return [
    {
      path,
      at: issue.code === 'invalid_key' ? 'key' : 'value',
      unknownField: false,
      message: `${subject} ${predicate(issue, value, context.mayQuote)}`,
    },
  ]
}

/** The last named field and the indices behind it: `hostnames[0]`, `data["tls.key"]`. */
function leafOf(path: DocumentPath): string {
  const name = path.findLastIndex((step) => typeof step === 'string' && /^[\w-]+$/.test(step))
  return formatPath(path.slice(Math.max(0, name)))
}

/** What the value has to be, as the rest of a sentence. */
function predicate(issue: Issue, value: unknown, mayQuote: boolean): string {
  const got = found(value, mayQuote)
  // The schemas' own messages already say what must be.
  if (issue.message.startsWith('must ')) {
    return value === undefined
      ? `is required: it ${issue.message}`
      : issue.message + shown(issue.message, value, mayQuote)
  }
  switch (issue.code) {
    case 'invalid_type':
      return value === undefined
        ? `is required: ${withArticle(typeName(issue.expected))}`
        : `must be ${withArticle(typeName(issue.expected))}${got}${unquoted(issue.expected, value)}`
    case 'invalid_value':
      return oneOf(issue.values.map(String), value, got)
    case 'invalid_union':
      return discriminators(issue).length > 0
        ? oneOf(discriminators(issue), value, got)
        : value === undefined
          ? 'is required'
          : `must be ${unionTypes(issue)}${got}`
    case 'invalid_key':
      return `has a key that ${issue.issues[0]?.message ?? 'is not allowed'}`
    default:
      return value === undefined ? 'is required' : `is not valid: ${lowerFirst(issue.message)}`
  }
}

function oneOf(allowed: readonly string[], value: unknown, got: string): string {
  const expected = allowed.length === 1 ? `${allowed[0]}` : `one of ${allowed.join(', ')}`
  if (value === undefined) return `is required: ${expected}`
  const guess = typeof value === 'string' && got !== '' ? nearest(value, allowed) : undefined
  return `must be ${expected}${got}${guess === undefined ? '' : `; did you mean ${guess}?`}`
}

function unknownField(parent: DocumentPath, key: string, context: IssueContext): IssueText {
  const path = [...parent, key]
  const known = context.fieldsAt(parent)
  const present = valueAt(context.root, parent)
  const free = known.filter((name) => !hasMember(present, name))
  const guess = nearest(key, free)
  const hint =
    guess !== undefined
      ? `did you mean ${guess}?`
      : known.length > 0 && known.length <= 16
        ? `known here: ${known.join(', ')}`
        : undefined
  const message = `${key} is not a known field${hint === undefined ? '' : `; ${hint}`}`
  return { path, at: 'key', unknownField: true, message }
}

/** The option of a union that the value was most likely meant for: the one that got furthest. */
function closestOption(issue: Issue & { code: 'invalid_union' }): readonly Issue[] | undefined {
  const structural = issue.errors.filter((errors) => errors.some(({ path }) => path.length > 0))
  return structural.toSorted((a, b) => a.length - b.length)[0]
}

/** The values that choose between the options of a union, when a field does so. */
function discriminators(issue: Issue): readonly string[] {
  const options = memberOf(issue, 'options')
  return Array.isArray(options) ? options.map(String) : []
}

function unionTypes(issue: Issue & { code: 'invalid_union' }): string {
  const types = issue.errors
    .flat()
    .map((inner) =>
      inner.code === 'invalid_type' ? withArticle(typeName(inner.expected)) : undefined,
    )
  const known = [...new Set(types.filter((type) => type !== undefined))]
  return known.length === 0 ? 'something else' : known.join(' or ')
}

/** `, not "x"`: short scalars as they are, anything else by its type. */
function found(value: unknown, mayQuote: boolean): string {
  if (value === undefined) return ''
  if (value === null) return ', not null'
  if (Array.isArray(value)) return ', not a list'
  if (typeof value === 'object') return ', not an object'
  if (!mayQuote) return ''
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 80 ? '' : `, not ${text}`
}

/** `; found "x"`, behind a schema's own message; a field that must not be there needs none. */
function shown(message: string, value: unknown, mayQuote: boolean): string {
  if (!mayQuote || message.startsWith('must not ') || typeof value === 'object') return ''
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 80 ? '' : `; found ${text}`
}

/** The API server does not turn text into numbers and booleans, and YAML's quotes make text. */
function unquoted(expected: string, value: unknown): string {
  const isMeant =
    typeof value === 'string' &&
    (['number', 'int'].includes(expected)
      ? /^-?\d+$/.test(value)
      : expected === 'boolean' && /^(true|false)$/.test(value))
  return isMeant ? '; write it without quotes' : ''
}

function typeName(expected: string): string {
  switch (expected) {
    case 'array':
      return 'list'
    case 'int':
    case 'int32':
      return 'integer'
    case 'record':
    case 'map':
      return 'object'
    default:
      return expected
  }
}

function withArticle(noun: string): string {
  return `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}

function valueAt(root: unknown, path: DocumentPath): unknown {
  return path.reduce<unknown>((value, step) => memberOf(value, String(step)), root)
}

export function memberOf(value: unknown, name: string): unknown {
  return hasMember(value, name) ? (value as Record<string, unknown>)[name] : undefined
}

function hasMember(value: unknown, name: string): value is object {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
}
