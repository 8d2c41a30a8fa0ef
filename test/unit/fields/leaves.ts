/**
 * The fields of a schema and their places in an object: a leaf is a field that holds no other, or
 * one entry of a list of such. A field's name has `[]` for list entries and `*` for keys of maps:
 * `spec.rules[].filters[].cors.allowOrigins[]`.
 */
import type { Schema } from '../../support/crd.ts'
import { type Path, replaceAt } from '../api/spec-arbitrary.ts'

export interface Leaf {
  readonly path: Path
  readonly field: string
  readonly schema: Schema
}

/** The names of all leaves. */
export function* fieldsOf(schema: Schema, name = ''): Generator<string> {
  const { properties, items, additionalProperties } = schema
  if (properties !== undefined) {
    for (const [key, member] of Object.entries(properties)) {
      yield* fieldsOf(member, name === '' ? key : `${name}.${key}`)
    }
  } else if (items !== undefined) yield* fieldsOf(items, `${name}[]`)
  else if (typeof additionalProperties === 'object') {
    yield* fieldsOf(additionalProperties, `${name}.*`)
  } else yield name
}

/** The leaves that an object has. */
export function* leavesOf(
  schema: Schema,
  value: unknown,
  path: Path = [],
  name = '',
): Generator<Leaf> {
  const { properties, items, additionalProperties } = schema
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      yield* leavesOf(items ?? {}, item, [...path, index], `${name}[]`)
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, member] of Object.entries(value)) {
      const own = properties?.[key]
      const any = typeof additionalProperties === 'object' ? additionalProperties : undefined
      const schemaOf = own ?? any
      if (schemaOf === undefined) continue
      const step = own === undefined ? '*' : key
      yield* leavesOf(schemaOf, member, [...path, key], name === '' ? step : `${name}.${step}`)
    }
  } else yield { path, field: name, schema }
}

/** Texts of every form that some field demands. */
const WORDS = [
  'zz',
  'zz.example.com',
  '/zz',
  '7s',
  '700ms',
  '10.9.8.7',
  'https://zz.example.com',
  'spiffe://zz/zz',
  'example.com/zz',
  'enp6',
  'NotIn',
  'TCP',
  'HTTPS',
  'System',
  '*',
]

/** The object with other values of one leaf; what is valid, the oracle knows. */
export function* variantsOf<T>(object: T, { path, schema }: Leaf): Generator<T> {
  const present = path.reduce<unknown>((at, step) => (at as Record<string, unknown>)[step], object)
  for (const value of valuesFor(schema, present)) {
    if (value !== present) yield replaceAt(object, path, value) as T
  }
}

function valuesFor({ enum: values, type }: Schema, present: unknown): readonly unknown[] {
  if (values !== undefined) return values
  if (type === 'boolean') return [true, false]
  if (typeof present === 'number') return [present + 1, present - 1, 1, 80, 81, 301, 302, 404]
  return WORDS
}

/** The object without the leaf, then without what holds it, the least first. */
export function* withoutLeaf<T>(object: T, { path }: Leaf): Generator<T> {
  for (let length = path.length; length > 1; length -= 1) {
    yield replaceAt(object, path.slice(0, length), undefined) as T
  }
}
