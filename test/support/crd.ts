/**
 * The upstream CRDs as an oracle: what the API server would say to an object's spec. Order as there:
 * nulls are pruned, defaults applied, the schema checked (by ajv), list keys compared, CEL evaluated.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import type { ValidateFunction } from 'ajv'
import { parse } from 'yaml'
import { compileCel } from './cel.ts'

export const SHARED = join(import.meta.dirname, '../../../shared/gateway-api')

export type Schema = {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly additionalProperties?: Schema | boolean
  readonly enum?: readonly unknown[]
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly maxProperties?: number
  readonly default?: unknown
  readonly nullable?: boolean
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string }[]
  readonly 'x-kubernetes-list-type'?: string
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
}

export type Verdict =
  | { readonly admitted: true; readonly spec: unknown }
  | { readonly admitted: false; readonly why: string }

/** Versions of a kind that differ in nothing but descriptions have the same `spec` and `judge`. */
export interface CrdVersion {
  readonly kind: string
  readonly apiVersion: string
  readonly spec: Schema
  readonly judge: (spec: unknown) => Verdict
}

interface Crd {
  readonly spec: {
    readonly group: string
    readonly names: { readonly kind: string }
    readonly versions: readonly {
      readonly name: string
      readonly served: boolean
      readonly schema: { readonly openAPIV3Schema: Schema }
    }[]
  }
}

let loaded: readonly CrdVersion[] | undefined

/** Every served version of every CRD, read once: several tests may run in one process. */
export function loadCrds(): readonly CrdVersion[] {
  loaded ??= readCrds()
  return loaded
}

function readCrds(): readonly CrdVersion[] {
  const directory = join(SHARED, 'crds')
  const judged = new Map<string, Pick<CrdVersion, 'spec' | 'judge'>>()
  const once = (kind: string, schema: Schema): Pick<CrdVersion, 'spec' | 'judge'> => {
    const text = `${kind} ${JSON.stringify(schema, withoutDescriptions)}`
    const spec = withLinearPatterns(schema)
    const known = judged.get(text) ?? { spec, judge: judgeBy(spec) }
    judged.set(text, known)
    return known
  }
  return readdirSync(directory)
    .map((name) => parse(readFileSync(join(directory, name), 'utf8')) as Crd)
    .flatMap(({ spec: { group, names, versions } }) =>
      versions
        .filter((version) => version.served)
        .map((version) => ({
          kind: names.kind,
          apiVersion: `${group}/${version.name}`,
          ...once(names.kind, version.schema.openAPIV3Schema.properties?.['spec'] ?? {}),
        })),
    )
}

/** A property may have that name: its schema is no text. */
function withoutDescriptions(name: string, value: unknown): unknown {
  return name === 'description' && typeof value === 'string' ? undefined : value
}

/**
 * The pattern of header values nests quantifiers: linear in Go's RE2, endless in a backtracking
 * engine. Without the `?` it means the same.
 */
function withLinearPatterns(schema: Schema): Schema {
  return JSON.parse(
    JSON.stringify(schema).replaceAll('([\\\\t ]?[!-~]+)*$', '([\\\\t ][!-~]+)*$'),
  ) as Schema
}

/** Compiled when the first object is judged: that takes longer than most tests of a CRD. */
function judgeBy(schema: Schema): (spec: unknown) => Verdict {
  let compiled: ValidateFunction | undefined
  return (input) => {
    compiled ??= newAjv().compile(schema)
    const validate = compiled
    const spec: unknown = pruneNulls(structuredClone(input), schema)
    // A first time for the defaults: it ends with no error of a field whose default came later.
    validate(spec)
    if (!validate(spec)) {
      const [error] = validate.errors ?? []
      return { admitted: false, why: `${error?.instancePath} ${error?.message}` }
    }
    const broken = firstBroken(spec, schema)
    return broken === undefined ? { admitted: true, spec } : { admitted: false, why: broken }
  }
}

/** All errors, so that all defaults are set; its code is not optimized, which takes longer than it saves. */
function newAjv(): Ajv {
  const ajv = new Ajv({
    strict: false,
    useDefaults: true,
    allErrors: true,
    code: { optimize: false },
  })
  ajv.addFormat('int32', { type: 'number', validate: (value) => (value | 0) === value })
  ajv.addFormat('int64', { type: 'number', validate: Number.isInteger })
  ajv.addFormat('ipv4', (value) => isIP(value) === 4)
  ajv.addFormat('ipv6', (value) => isIP(value) === 6 && !value.includes('%'))
  return ajv
}

/** Removes nulls of fields that are not nullable, as the API server does before it defaults. */
function pruneNulls(value: unknown, schema: Schema): unknown {
  if (Array.isArray(value)) return value.map((item) => pruneNulls(item, schema.items ?? {}))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, member]) => member !== null || memberSchema(schema, name).nullable === true)
      .map(([name, member]) => [name, pruneNulls(member, memberSchema(schema, name))]),
  )
}

function memberSchema(schema: Schema, name: string): Schema {
  const { properties, additionalProperties } = schema
  if (properties !== undefined && Object.hasOwn(properties, name)) return properties[name] ?? {}
  return typeof additionalProperties === 'object' ? additionalProperties : {}
}

/** The first broken rule that JSON Schema cannot say: list keys and CEL, from the top down. */
function firstBroken(value: unknown, schema: Schema): string | undefined {
  const repeated = repeatedKey(value, schema)
  if (repeated !== undefined) return repeated
  for (const { rule } of schema['x-kubernetes-validations'] ?? []) {
    if (!rule.includes('oldSelf') && !holds(rule, value)) return rule
  }
  if (Array.isArray(value)) {
    return firstOf(value, (item) => firstBroken(item, schema.items ?? {}))
  }
  if (typeof value !== 'object' || value === null) return undefined
  return firstOf(Object.entries(value), ([name, member]) =>
    firstBroken(member, memberSchema(schema, name)),
  )
}

function firstOf<T>(
  list: readonly T[],
  check: (item: T) => string | undefined,
): string | undefined {
  for (const item of list) {
    const found = check(item)
    if (found !== undefined) return found
  }
  return undefined
}

function repeatedKey(value: unknown, schema: Schema): string | undefined {
  const type = schema['x-kubernetes-list-type']
  if (!Array.isArray(value) || (type !== 'map' && type !== 'set')) return undefined
  const names = schema['x-kubernetes-list-map-keys'] ?? []
  const keys = value.map((item: Record<string, unknown>) =>
    JSON.stringify(type === 'set' ? item : names.map((name) => item[name])),
  )
  return new Set(keys).size === keys.length ? undefined : `repeated key in ${keys.join()}`
}

const compiled = new Map<string, (self: unknown) => unknown>()

function holds(rule: string, self: unknown): boolean {
  const run = compiled.get(rule) ?? compileCel(rule)
  compiled.set(rule, run)
  try {
    return run(self) === true
  } catch {
    return false
  }
}
