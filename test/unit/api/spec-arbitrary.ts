/**
 * Generates specs from a CRD's schema: trees that fit it, with a few mutations (field missing, null,
 * out of range, too long, wrong enum, wrong type, repeated entries), so that about half is admitted.
 */
import fc from 'fast-check'
import type { Schema } from '../../support/crd.ts'

/** A spec as the schema wants it, then up to two mutations. */
export function specArbitrary(schema: Schema): fc.Arbitrary<unknown> {
  const mutations = fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    { weight: 3, arbitrary: fc.array(mutation, { minLength: 1, maxLength: 2 }) },
  )
  return fc
    .tuple(fitting(schema, ''), mutations)
    .map(([spec, list]) => list.reduce<unknown>((value, one) => mutate(value, schema, one), spec))
}

/** Words that mean something in several places, so that references, enums and rules meet. */
const WORDS = ['a', 'b', 'www.example.com', '*.example.com', 'example.com', '10.0.0.1', '::1', '']
const PATHS = ['/', '/a', '/a/', '/a//b', '/a/../b', '/a/..', '/.', '/%2f', '/%20', '/#', '/ü', 'a']
const PROTOCOLS = ['HTTP', 'HTTPS', 'HTTPS', 'TLS', 'TCP', 'UDP', 'GRPC', 'example.com/foo']

/** Words by field name, where a text from the common pool would hardly ever fit. */
const BY_NAME: Readonly<Record<string, readonly string[]>> = {
  protocol: PROTOCOLS,
  hostname: ['a.example', 'b.example', '*.example', 'a.cluster.local'],
  service: ['a.B', '.a', 'a-b', '', 'A_1'],
  method: ['Login', 'a.b', ''],
  controllerName: ['example.com/a', 'a/b'],
  uri: ['spiffe://a/b', 'https://a', 'a:b'],
  wellKnownCACertificates: ['System', 'example.com/a'],
  sectionName: ['a', 'b'],
  replaceFullPath: ['/a', ''],
  replacePrefixMatch: ['/a', ''],
}

/** Value of a discriminator to the payload field that it demands; '' forbids all of them. */
export const PAYLOADS: Readonly<Record<string, string>> = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestMirror: 'requestMirror',
  RequestRedirect: 'requestRedirect',
  URLRewrite: 'urlRewrite',
  ExtensionRef: 'extensionRef',
  CORS: 'cors',
  ExternalAuth: 'externalAuth',
  ReplaceFullPath: 'replaceFullPath',
  ReplacePrefixMatch: 'replacePrefixMatch',
  Hostname: 'hostname',
  URI: 'uri',
  HTTP: 'http',
  GRPC: 'grpc',
  ExternalHostname: 'externalHostname',
  ClientAndServer: 'clientCertificateRef',
  ServerOnly: '',
  None: '',
}

function fitting(schema: Schema, name: string): fc.Arbitrary<unknown> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  switch (schema.type) {
    case 'object':
      return schema.properties === undefined ? fittingMap(schema) : fittingObject(schema)
    case 'array':
      return fc.array(fitting(schema.items ?? {}, name), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 3, (schema.minItems ?? 0) + 2),
      })
    case 'integer':
      return fc.integer({
        min: schema.minimum ?? 0,
        max: Math.min(schema.maximum ?? 100, (schema.minimum ?? 0) + 3),
      })
    case 'boolean':
      return fc.boolean()
    default:
      return fittingText(schema, name)
  }
}

function fittingMap(schema: Schema): fc.Arbitrary<unknown> {
  const { additionalProperties } = schema
  const value = typeof additionalProperties === 'object' ? additionalProperties : {}
  return fc.dictionary(fc.constantFrom('a', 'example.com/b', 'c_d'), fitting(value, ''), {
    maxKeys: 2,
  })
}

function fittingObject(schema: Schema): fc.Arbitrary<unknown> {
  const { properties = {}, required = [] } = schema
  const members = Object.entries(properties).map(([name, member]) => {
    const value = fitting(member, name)
    if (required.includes(name)) return [name, value.map((present) => [present])] as const
    return [
      name,
      fc.oneof(
        fc.constant([]),
        value.map((present) => [present]),
      ),
    ] as const
  })
  return fc
    .tuple(fc.record(Object.fromEntries(members)), fc.integer({ min: 0, max: 9 }))
    .map(([record, dice]) => {
      const object = Object.fromEntries(
        Object.entries(record).flatMap(([name, [value]]) =>
          value === undefined ? [] : [[name, value]],
        ),
      )
      return dice === 0 ? object : withMatchingPayload(object, record)
    })
}

/** Keeps of the payloads of a discriminated object the one that its type names. */
function withMatchingPayload(
  object: Record<string, unknown>,
  record: Readonly<Record<string, readonly unknown[]>>,
): Record<string, unknown> {
  const wanted = PAYLOADS[String(object['type'] ?? object['protocol'] ?? object['mode'])]
  if (wanted === undefined || (wanted !== '' && !(wanted in record))) return object
  const others = Object.values(PAYLOADS).filter((field) => field !== wanted)
  const kept = Object.entries(object).filter(([name]) => !others.includes(name))
  return Object.fromEntries(kept)
}

function fittingText(schema: Schema, name: string): fc.Arbitrary<unknown> {
  const words = wordsFor(schema, name)
  return words.length > 0
    ? fc.constantFrom(...words)
    : fc.constant('a'.repeat(schema.minLength ?? 0))
}

/** Words that fit the schema of a string, those of the field's name first. */
export function wordsFor(schema: Schema, name: string): string[] {
  const { pattern, minLength = 0, maxLength = 100 } = schema
  const regex = pattern === undefined ? /(?:)/ : new RegExp(pattern)
  const pool = BY_NAME[name] ?? [
    ...WORDS,
    ...PATHS,
    'GET',
    'https://a.example',
    '*',
    '10s',
    '0s',
    'A',
  ]
  return pool.filter(
    (text) => regex.test(text) && text.length >= minLength && text.length <= maxLength,
  )
}

interface Mutation {
  readonly where: number
  readonly how: number
}

const mutation: fc.Arbitrary<Mutation> = fc.record({ where: fc.nat(), how: fc.nat() })

/** Changes one node of the tree, the `where`th in document order. */
function mutate(root: unknown, schema: Schema, { where, how }: Mutation): unknown {
  const places = [...walk(root, schema, [])]
  const place = places[where % places.length]
  if (place === undefined) return root
  const candidates = replacements(place.value, place.schema)
  return replaceAt(root, place.path, candidates[how % candidates.length])
}

export type Path = readonly (string | number)[]

interface Place {
  readonly path: Path
  readonly value: unknown
  readonly schema: Schema
}

function* walk(value: unknown, schema: Schema, path: Path): Generator<Place> {
  yield { path, value, schema }
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      yield* walk(item, schema.items ?? {}, [...path, index])
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, member] of Object.entries(value)) {
      const { properties = {}, additionalProperties } = schema
      const own = properties[name]
      const any = typeof additionalProperties === 'object' ? additionalProperties : {}
      yield* walk(member, own ?? any, [...path, name])
    }
  }
}

/** Values at the limits of a schema and beyond; `undefined` stands for a removed field. */
export function replacements(value: unknown, schema: Schema): readonly unknown[] {
  const always = [undefined, null, 7, 'zz', true, {}, []]
  if (Array.isArray(value)) {
    const { maxItems = 3 } = schema
    const [first] = value
    if (first === undefined) return always
    const full = Array.from({ length: maxItems }, () => first)
    return [...always, [...value, first], [...value, null], full, [...full, first]]
  }
  if (typeof value === 'string') {
    const { maxLength = 10 } = schema
    const long = 'a'.repeat(maxLength)
    return [
      ...always,
      long,
      `${long}a`,
      `${long.slice(1)}é`,
      '',
      'ü',
      'A b',
      'a_b',
      ...WORDS,
      ...PATHS,
    ]
  }
  if (typeof value === 'number') {
    const { minimum = 0, maximum = 2 ** 31 - 1 } = schema
    return [...always, minimum - 1, minimum, maximum, maximum + 1, 1.5, '80', -1]
  }
  return always
}

export function replaceAt(root: unknown, path: Path, value: unknown): unknown {
  const [step, ...rest] = path
  if (step === undefined) return value
  if (Array.isArray(root)) {
    return root
      .map((item, index) => (index === step ? replaceAt(item, rest, value) : item))
      .filter((item) => item !== undefined)
  }
  const members = Object.entries(root as object).map(([name, member]) => [
    name,
    name === step ? replaceAt(member, rest, value) : member,
  ])
  return Object.fromEntries(members.filter(([, member]) => member !== undefined))
}
