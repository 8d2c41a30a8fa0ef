/**
 * Header or trailer fields in the order and case in which they came (RFC 9110 section 5). A list,
 * never an object keyed by a stranger's names.
 */
import { TOKEN } from '../../wire/http1/chars.ts'
import type { HeadWriter } from '../../wire/http1/head-writer.ts'
import { fieldKey } from './field-names.ts'

interface Field {
  readonly name: string
  /** Lower case. */
  readonly key: string
  value: string
}

export class Fields {
  #fields: Field[]

  private constructor(fields: Field[]) {
    this.#fields = fields
  }

  /** From Node's flat `[name, value, name, value, …]`. */
  static fromRaw(raw: readonly string[]): Fields {
    const fields: Field[] = []
    for (let i = 0; i + 1 < raw.length; i += 2) {
      const name = raw[i] ?? ''
      fields.push({ name, key: fieldKey(name), value: raw[i + 1] ?? '' })
    }
    return new Fields(fields)
  }

  get size(): number {
    return this.#fields.length
  }

  /** `key` is lower case, here and below. */
  has(key: string): boolean {
    for (const field of this.#fields) if (field.key === key) return true
    return false
  }

  /** Each name once. */
  keys(): ReadonlySet<string> {
    return new Set(this.#fields.map(({ key }) => key))
  }

  values(key: string): string[] {
    const values: string[] = []
    for (const field of this.#fields) if (field.key === key) values.push(field.value)
    return values
  }

  /** All lines of the name as one list (RFC 9110 section 5.3); undefined: absent. */
  get(key: string): string | undefined {
    let joined: string | undefined
    for (const field of this.#fields) {
      if (field.key !== key) continue
      if (joined === undefined) joined = field.value
      else joined += (key === 'cookie' ? '; ' : ', ') + field.value
    }
    return joined
  }

  /** One line of the name instead of whatever was there. */
  set(name: string, value: string): void {
    const key = fieldKey(name)
    const fields = this.#fields
    let first: Field | undefined
    let kept = 0
    for (const field of fields) {
      if (field.key !== key || first === undefined) fields[kept++] = field
      if (field.key === key) first ??= field
    }
    shorten(fields, kept)
    if (first === undefined) fields.push({ name, key, value })
    else first.value = value
  }

  /** `old,new` when the name is there (Gateway API HTTPHeaderFilter.add), else one more line. */
  append(name: string, value: string): void {
    const key = fieldKey(name)
    const last = this.#fields.findLast((field) => field.key === key)
    if (last === undefined) this.#fields.push({ name, key, value })
    else last.value += `,${value}`
  }

  /** One more line, whatever is there: Set-Cookie is no list (RFC 6265 section 3). */
  add(name: string, value: string): void {
    this.#fields.push({ name, key: fieldKey(name), value })
  }

  remove(key: string): void {
    this.removeWhere((candidate) => candidate === key)
  }

  removeWhere(unwanted: (key: string, value: string) => boolean): void {
    const fields = this.#fields
    let kept = 0
    for (const field of fields) {
      if (!unwanted(field.key, field.value)) fields[kept++] = field
    }
    shorten(fields, kept)
  }

  /** The first thing that `look` finds. */
  find<Found>(look: (key: string, value: string) => Found | undefined): Found | undefined {
    for (const { key, value } of this.#fields) {
      const found = look(key, value)
      if (found !== undefined) return found
    }
    return undefined
  }

  toRaw(): string[] {
    const raw: string[] = []
    for (const { name, value } of this.#fields) raw.push(name, value)
    return raw
  }

  /** For HTTP/1.1: a line each. Throws on what no line can hold, such as a line break. */
  writeLines(writer: HeadWriter): void {
    for (const { name, value } of this.#fields) {
      if (!writer.field(name, value)) throw new TypeError('a field that cannot be sent')
    }
  }

  /** For HTTP/2: lower-case names behind `pseudo`, which it returns. */
  toHttp2Raw(pseudo: string[]): string[] {
    for (const { key, value } of this.#fields) pseudo.push(key, value)
    return pseudo
  }
}

/** An array's length that is set is a call out of compiled code, each time. */
function shorten(fields: Field[], length: number): void {
  while (fields.length > length) fields.pop()
}

/** What a field's name, or a method, may be (RFC 9110 section 5.6.2). */
export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (TOKEN[text.charCodeAt(i)] !== 1) return false
  }
  return text !== ''
}
