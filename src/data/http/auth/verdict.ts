/** What an external auth service decided, whatever it was asked by, and what follows for the request. */
import { isOwnField } from '../headers.ts'
import type { Fields } from '../fields.ts'
import type { LocalReply } from '../local-reply.ts'

export type Verdict =
  | { readonly kind: 'allowed'; readonly permission: Permission }
  /** `reply` is the service's own answer. */
  | { readonly kind: 'denied'; readonly reply: LocalReply }
  /** No answer, or none that counts: a denial without words. `detail` is for the log. */
  | { readonly kind: 'failed'; readonly detail: string }

/** What the service wants changed before the request goes on. */
export interface Permission {
  readonly request: readonly FieldEdit[]
  /** Of whatever answer the client gets. */
  readonly response: readonly FieldEdit[]
  readonly query: QueryEdit
}

export interface QueryEdit {
  readonly set: readonly (readonly [string, string])[]
  readonly remove: readonly string[]
}

export interface FieldEdit {
  readonly action: 'add' | 'add-if-absent' | 'overwrite' | 'overwrite-if-present' | 'remove'
  readonly name: string
  /** '' for `remove`. */
  readonly value: string
}

/** RFC 9110 section 5.1. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** RFC 9110 section 5.5: visible characters, blanks and obs-text. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** Whether the edit can be carried out: an unfit name or value would end in a broken message. */
export function isFit({ action, name, value }: FieldEdit): boolean {
  if (action === 'remove') return true
  return TOKEN.test(name) && VALUE.test(value) && !isOwnField(name.toLowerCase())
}

/** Only what is fit; removing what the proxy itself owns changes nothing. */
export function editFields(fields: Fields, edits: readonly FieldEdit[]): void {
  for (const edit of edits) editField(fields, edit)
}

function editField(fields: Fields, { action, name, value }: FieldEdit): void {
  const key = name.toLowerCase()
  switch (action) {
    case 'remove':
      if (!isOwnField(key)) removeLookAlikes(fields, key)
      return
    case 'overwrite-if-present':
      if (!fields.has(key)) return
      removeLookAlikes(fields, key)
      break
    case 'overwrite':
      removeLookAlikes(fields, key)
      break
    case 'add-if-absent':
      if (fields.has(key)) return
      break
    case 'add':
      break
  }
  fields.add(name, value)
}

/** A CGI-style upstream cannot tell X_User from X-User. */
function removeLookAlikes(fields: Fields, key: string): void {
  const plain = key.replaceAll('_', '-')
  fields.removeWhere((candidate) => candidate.replaceAll('_', '-') === plain)
}

/** `target` is path and query; what stays keeps its bytes. */
export function editQuery(target: string, { set, remove }: QueryEdit): string {
  if (set.length === 0 && remove.length === 0) return target
  const mark = target.indexOf('?')
  const path = mark === -1 ? target : target.slice(0, mark)
  const sent = mark === -1 ? [] : target.slice(mark + 1).split('&')
  const gone = new Set([...remove, ...set.map(([key]) => key)])
  const kept = sent.filter((pair) => pair !== '' && !gone.has(decodedKey(pair)))
  const added = set.map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`)
  const query = [...kept, ...added].join('&')
  return query === '' ? path : `${path}?${query}`
}

function decodedKey(pair: string): string {
  const key = pair.split('=', 1)[0]?.replaceAll('+', ' ') ?? ''
  try {
    return decodeURIComponent(key)
  } catch {
    return key
  }
}
