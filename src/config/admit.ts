/**
 * Admission: one document to resources or findings, as the API server would judge it (digest
 * section 1.3), and stricter: an unknown field refuses the object (decision 12). All problems of an
 * object are collected. Results know no file: they are kept per document text (documents.ts).
 */
import type * as z from 'zod'
import { findKind, KINDS, type KindEntry } from '../api/kinds.ts'
import {
  type Diagnostic,
  type DiagnosticCode,
  type DocumentPath,
  formatPath,
} from '../model/diagnostic.ts'
import { displayKey, type ResourceKey } from '../model/resource-key.ts'
import { type DocumentText, findSpot, parseText, type Spot, startSpot } from './documents.ts'
import { describeIssue, type IssueText, memberOf } from './issue-text.ts'
import { nearest } from './near-miss.ts'
import { fieldsAt } from './schema-fields.ts'

export type UnknownFields = 'reject' | 'warn'

/** A diagnostic before it knows its file. */
export interface Finding extends Omit<Diagnostic, 'origin'> {
  readonly spot: Spot
}

export interface AdmittedObject {
  readonly kind: 'object'
  readonly key: ResourceKey
  readonly object: AnyObject
  /** Where the object starts: [] for a document, ['items', n] in a List. */
  readonly at: DocumentPath
  readonly spot: Spot
  /** Warnings. */
  readonly findings: readonly Finding[]
}

export type Admitted =
  | AdmittedObject
  | {
      readonly kind: 'refused'
      /** Undefined: it cannot be told whose object this is meant to be. */
      readonly key: ResourceKey | undefined
      readonly spot: Spot
      readonly findings: readonly Finding[]
    }
  /** Somebody else's kind, such as apps/Deployment. */
  | { readonly kind: 'foreign'; readonly name: string; readonly spot: Spot }

/** What every admitted object has; its kind's own type is known to the resource set. */
export interface AnyObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly generation?: number
    readonly creationTimestamp?: string
    readonly annotations?: Readonly<Record<string, string>>
  }
}

export function admitDocument(document: DocumentText, unknownFields: UnknownFields): Admitted[] {
  const parsed = parseText(document.text)
  switch (parsed.kind) {
    case 'empty':
      return []
    case 'broken': {
      const { spot, message } = parsed
      return [
        refused(spot, undefined, [
          { severity: 'error', code: 'yaml-syntax', spot, message: `YAML: ${message}` },
        ]),
      ]
    }
    case 'value':
      return admitValue(parsed.value, { text: document.text, at: [], unknownFields })
  }
}

interface Context {
  readonly text: string
  readonly at: DocumentPath
  readonly unknownFields: UnknownFields
}

function admitValue(value: unknown, context: Context): Admitted[] {
  const items = memberOf(value, 'items')
  const isList = memberOf(value, 'kind') === 'List' && memberOf(value, 'apiVersion') === 'v1'
  if (isList && Array.isArray(items) && context.at.length === 0) {
    return items.flatMap((item: unknown, index) =>
      admitValue(item, { ...context, at: ['items', index] }),
    )
  }
  return [admitObject(value, context)]
}

function admitObject(value: unknown, context: Context): Admitted {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refuse(context, undefined, 'not-an-object', [], {
      message: 'a manifest must be an object with apiVersion, kind and metadata',
    })
  }
  const apiVersion = memberOf(value, 'apiVersion')
  const kind = memberOf(value, 'kind')
  if (typeof kind !== 'string') return refuseType(context, 'kind', kind, 'such as Gateway')
  if (typeof apiVersion !== 'string') {
    return refuseType(context, 'apiVersion', apiVersion, apiVersionHint(kind))
  }
  const found = findKind(apiVersion, kind)
  switch (found.kind) {
    case 'known':
      return validate(value, found.entry, context)
    case 'unsupported-version': {
      const { entry, version } = found
      const served = entry.versions.map((name) => withGroup(entry.group, name)).join(', ')
      const key = keyOf(value, entry)
      return refuse(context, key, 'unsupported-version', ['apiVersion'], {
        message: `${kind} has no version ${version} here; supported: ${served}`,
      })
    }
    case 'unknown-kind': {
      const guess = nearest(kind, found.kinds)
      const hint =
        guess === undefined ? `known: ${found.kinds.join(', ')}` : `did you mean ${guess}?`
      return refuse(context, undefined, 'unknown-kind', ['kind'], {
        message: `${apiVersion} has no kind ${kind}; ${hint}`,
      })
    }
    case 'foreign':
      return foreignOrMistyped(apiVersion, kind, found.group, context)
  }
}

/** `v1 Servce` and `gateway.network.k8s.io/v1 Gateway` are typing errors, not other people's kinds. */
function foreignOrMistyped(
  apiVersion: string,
  kind: string,
  group: string,
  context: Context,
): Admitted {
  const entries: readonly KindEntry[] = Object.values(KINDS)
  const siblings = entries.filter((entry) => entry.group === group).map((entry) => entry.kind)
  const kindGuess = nearest(kind, siblings)
  if (kindGuess !== undefined) {
    return refuse(context, undefined, 'unknown-kind', ['kind'], {
      message: `${apiVersion} has no kind ${kind}; did you mean ${kindGuess}?`,
    })
  }
  const groups = entries.filter((entry) => entry.kind === kind).map((entry) => entry.group)
  const groupGuess = nearest(group, groups)
  if (groupGuess !== undefined && groupGuess !== '') {
    return refuse(context, undefined, 'unknown-kind', ['apiVersion'], {
      message: `${group} has no kind ${kind}; did you mean ${groupGuess}?`,
    })
  }
  return { kind: 'foreign', name: withGroup(group, kind), spot: spotOf(context, []) }
}

function validate(value: object, entry: KindEntry, context: Context): Admitted {
  const key = keyOf(value, entry)
  const schema: z.ZodType = entry.schema
  const first = schema.safeParse(value)
  if (first.success) return accepted(first.data, entry, context, [])
  const problems = describe(first.error, value, entry)
  const relaxed = problems.filter((problem) => mayRelax(problem, entry, context.unknownFields))
  const findings = problems.map((problem) =>
    findingOf(problem, key, context, relaxed.includes(problem) ? 'warning' : 'error'),
  )
  if (relaxed.length < problems.length) return refused(spotOf(context, []), key, findings)
  // Only rules across fields can fail now that did not before.
  const rest = withoutFields(value, relaxed)
  const second = schema.safeParse(rest)
  if (second.success) return accepted(second.data, entry, context, findings)
  const more = describe(second.error, rest, entry)
  return refused(spotOf(context, []), key, [
    ...findings,
    ...more.map((problem) => findingOf(problem, key, context, 'error')),
  ])
}

function describe(error: z.ZodError, root: object, entry: KindEntry): IssueText[] {
  const context = {
    root,
    fieldsAt: (path: DocumentPath) => fieldsAt(entry.schema, path),
    mayQuote: entry.kind !== 'Secret',
  }
  return error.issues.flatMap((issue) => describeIssue(issue, context))
}

/** `--unknown-fields warn` never relaxes policies, grants and `tls`: that could open what was shut. */
function mayRelax(problem: IssueText, entry: KindEntry, unknownFields: UnknownFields): boolean {
  return (
    problem.unknownField &&
    unknownFields === 'warn' &&
    !entry.policyStrict &&
    !problem.path.includes('tls')
  )
}

function withoutFields(value: object, problems: readonly IssueText[]): object {
  const copy = structuredClone(value)
  for (const { path } of problems) {
    const parent = path.slice(0, -1).reduce<unknown>((at, step) => memberOf(at, String(step)), copy)
    if (typeof parent === 'object' && parent !== null) {
      Reflect.deleteProperty(parent, String(path.at(-1)))
    }
  }
  return copy
}

function accepted(
  data: unknown,
  entry: KindEntry,
  context: Context,
  findings: readonly Finding[],
): Admitted {
  const admitted = data as AnyObject
  const { namespace: given, ...metadata } = admitted.metadata
  const namespace = entry.namespaced ? (given ?? 'default') : ''
  const object: AnyObject = {
    ...admitted,
    metadata: entry.namespaced ? { ...metadata, namespace } : metadata,
  }
  const key = { group: entry.group, kind: entry.kind, namespace, name: metadata.name }
  return { kind: 'object', key, object, at: context.at, spot: spotOf(context, []), findings }
}

/** The identity that an object claims, whatever else is wrong with it. */
function keyOf(value: object, entry: KindEntry): ResourceKey | undefined {
  const metadata = memberOf(value, 'metadata')
  const name = memberOf(metadata, 'name')
  const namespace = memberOf(metadata, 'namespace') ?? 'default'
  if (typeof name !== 'string' || name === '' || typeof namespace !== 'string') return undefined
  return {
    group: entry.group,
    kind: entry.kind,
    namespace: entry.namespaced ? namespace : '',
    name,
  }
}

function findingOf(
  { path, at, unknownField, message }: IssueText,
  key: ResourceKey | undefined,
  context: Context,
  severity: Finding['severity'],
): Finding {
  return {
    severity,
    code: unknownField ? 'unknown-field' : 'schema',
    spot: findSpot(context.text, [...context.at, ...path], at),
    ...(key === undefined ? {} : { object: displayKey(key) }),
    ...(path.length === 0 ? {} : { path: formatPath(path) }),
    message,
  }
}

function refuseType(context: Context, field: string, value: unknown, hint: string): Admitted {
  const problem = value === undefined || value === null ? 'is required' : 'must be a string'
  return refuse(context, undefined, 'schema', [field], { message: `${field} ${problem}: ${hint}` })
}

function refuse(
  context: Context,
  key: ResourceKey | undefined,
  code: DiagnosticCode,
  path: DocumentPath,
  { message }: { readonly message: string },
): Admitted {
  const spot = spotOf(context, path)
  const finding: Finding = {
    severity: 'error',
    code,
    spot,
    ...(key === undefined ? {} : { object: displayKey(key) }),
    ...(path.length === 0 ? {} : { path: formatPath(path) }),
    message,
  }
  return refused(spotOf(context, []), key, [finding])
}

function refused(spot: Spot, key: ResourceKey | undefined, findings: readonly Finding[]): Admitted {
  return { kind: 'refused', key, spot, findings }
}

function spotOf(context: Context, path: DocumentPath): Spot {
  const whole = [...context.at, ...path]
  return whole.length === 0 ? startSpot(context.text) : findSpot(context.text, whole)
}

function apiVersionHint(kind: string): string {
  const entry = Object.values(KINDS).find((other) => other.kind === kind)
  if (entry === undefined) return 'such as gateway.networking.k8s.io/v1'
  return `${withGroup(entry.group, entry.versions[0])} for a ${kind}`
}

function withGroup(group: string, name: string): string {
  return group === '' ? name : `${group}/${name}`
}
