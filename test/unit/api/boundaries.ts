/**
 * Walks every field of a CRD's schema: for each a small spec that holds it and is admitted, and the
 * values at and beyond its limits. Finds what random specs seldom reach.
 */
import type { Schema } from '../../support/crd.ts'
import { PAYLOADS, replaceAt, replacements, wordsFor } from './spec-arbitrary.ts'
import type { Path } from './spec-arbitrary.ts'

export interface Boundary {
  readonly path: Path
  /** The smallest spec with this field. */
  readonly witness: unknown
  /** The witness with other values of the field: at its limits, beyond, of wrong type, missing. */
  readonly variants: readonly unknown[]
}

export function* boundaries(spec: Schema): Generator<Boundary> {
  for (const { path, schema } of fields(spec, [])) {
    const witness = witnessOf(spec, path, '')
    const value = path.reduce<unknown>((at, step) => (at as Record<string, unknown>)[step], witness)
    const values = [...replacements(value, schema), ...(schema.enum ?? [])]
    yield { path, witness, variants: values.map((one) => replaceAt(witness, path, one)) }
  }
}

interface Field {
  readonly path: Path
  readonly schema: Schema
}

function* fields(schema: Schema, path: Path): Generator<Field> {
  yield { path, schema }
  for (const [name, member] of Object.entries(schema.properties ?? {})) {
    yield* fields(member, [...path, name])
  }
  if (schema.items !== undefined) yield* fields(schema.items, [...path, 0])
  if (typeof schema.additionalProperties === 'object') {
    yield* fields(schema.additionalProperties, [...path, 'a'])
  }
}

function witnessOf(schema: Schema, path: Path, name: string): unknown {
  const [step, ...rest] = path
  if (schema.enum !== undefined) return schema.enum[0]
  switch (schema.type) {
    case 'object':
      return witnessObject(schema, step, rest)
    case 'array':
      return [witnessOf(schema.items ?? {}, rest, name)]
    case 'integer':
      return schema.minimum ?? 1
    case 'boolean':
      return true
    default:
      return wordsFor(schema, name)[0] ?? 'a'.repeat(schema.minLength ?? 0)
  }
}

function witnessObject(schema: Schema, step: string | number | undefined, rest: Path): object {
  const { properties, required = [], additionalProperties } = schema
  if (properties === undefined) {
    const value = typeof additionalProperties === 'object' ? additionalProperties : {}
    return step === undefined ? {} : { a: witnessOf(value, rest, '') }
  }
  const names = new Set([...required, ...companions(properties, String(step))])
  if (step !== undefined) names.add(String(step))
  const object: Record<string, unknown> = {}
  for (const name of names) {
    const below = name === step ? rest : []
    object[name] = witnessOf(properties[name] ?? {}, below, name)
  }
  return { ...object, ...discriminators(properties, object, String(step)) }
}

/** Optional fields that rules across fields demand beside the field of interest. */
function companions(properties: Readonly<Record<string, Schema>>, step: string): readonly string[] {
  const has = (name: string) => name in properties
  if (has('kind') && properties['kind']?.default === 'Service') return ['port']
  if (has('wellKnownCACertificates') && step !== 'caCertificateRefs')
    return ['wellKnownCACertificates']
  if (has('service') && has('method')) return ['method']
  if (has('cookieConfig')) return ['absoluteTimeout']
  return []
}

/** A `value` that fits the default of the `type` beside it. */
const VALUE_BY_TYPE: Readonly<Record<string, string>> = { IPAddress: '::1', PathPrefix: '/' }

/** Type, protocol or mode, as the payload field of interest wants it, and that payload. */
function discriminators(
  properties: Readonly<Record<string, Schema>>,
  object: Readonly<Record<string, unknown>>,
  step: string,
): Record<string, unknown> {
  if ('certificateRefs' in properties) {
    const refs = object['certificateRefs'] ?? []
    return { certificateRefs: Array.isArray(refs) && refs.length > 0 ? refs : [{ name: 'a' }] }
  }
  const fit = VALUE_BY_TYPE[String(properties['type']?.default)]
  if (fit !== undefined) return step === 'value' ? { value: fit } : {}
  if ('tls' in properties && 'allowedRoutes' in properties) {
    return { protocol: step === 'tls' ? 'TLS' : 'HTTP' }
  }
  const name = ['type', 'protocol', 'mode'].find((field) => properties[field]?.enum !== undefined)
  const values = (name === undefined ? [] : (properties[name]?.enum ?? [])).map(String)
  const wanted = values.find((value) => PAYLOADS[value] === step) ?? values[0] ?? ''
  const payload = PAYLOADS[wanted]
  if (name === undefined || payload === undefined) return {}
  const member = properties[payload]
  if (member === undefined) return { [name]: wanted }
  return { [name]: wanted, [payload]: object[payload] ?? witnessOf(member, [], payload) }
}
