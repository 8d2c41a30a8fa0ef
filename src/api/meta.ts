/**
 * ObjectMeta and the frame of every object: apiVersion, kind, metadata and what the kind adds.
 * Metadata is lenient, since people paste objects from a cluster: fields that gwproxy does not use
 * (managedFields, ownerReferences, ...) are dropped. Rules: apimachinery's ValidateObjectMeta.
 */
import * as z from 'zod'
import { LABEL_PATTERN, namespaceName, patterned, SUBDOMAIN_PATTERN } from './common.ts'
import { keysLike } from './refine.ts'

const objectNameIn = {
  /** CRDs, Secrets, ConfigMaps, Endpoints, EndpointSlices. */
  subdomain: patterned(1, 253, SUBDOMAIN_PATTERN, 'lower-case letters, digits, "-" and "."'),
  /** Services and Namespaces, whose names become DNS labels. */
  label: patterned(1, 63, LABEL_PATTERN, 'lower-case letters, digits and "-"'),
}

export type NameForm = keyof typeof objectNameIn

const QUALIFIED_NAME =
  /^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$/
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?$/
const ANNOTATIONS_MAX_BYTES = 256 * 1024

export const KEY_FORM =
  'must be a key of an optional DNS prefix with "/" and a name of up to 63 letters, digits, "-", "_" and "."'

/** Whether a label or annotation key is `[prefix/]name`. */
export function isQualifiedName(key: string): boolean {
  return key.length <= 253 + 1 + 63 && key.indexOf('/') <= 253 && QUALIFIED_NAME.test(key)
}

export const labels = z
  .record(
    z.string(),
    z
      .string()
      .regex(LABEL_VALUE, 'must be a label value: up to 63 letters, digits, "-", "_" and "."'),
  )
  .superRefine(keysLike(isQualifiedName, KEY_FORM))

const annotations = z
  .record(z.string(), z.string())
  .superRefine(keysLike((key) => isQualifiedName(key.toLowerCase()), KEY_FORM))
  .refine(
    (map) => Buffer.byteLength(Object.entries(map).flat().join('')) <= ANNOTATIONS_MAX_BYTES,
    'must be at most 256 KiB together',
  )

export function metadata(form: NameForm) {
  return z.object({
    name: objectNameIn[form],
    namespace: namespaceName.exactOptional(),
    labels: labels.exactOptional(),
    annotations: annotations.exactOptional(),
    generation: z.int().min(0).exactOptional(),
    creationTimestamp: z.iso
      .datetime({ offset: true, error: 'must be a time such as 2026-01-31T12:00:00Z' })
      .exactOptional(),
    uid: z.string().exactOptional(),
    resourceVersion: z.string().exactOptional(),
  })
}

/** A kind of the Gateway API or of its companions: unknown fields beside and below spec are issues. */
export function customResource<
  const Version extends string,
  const Kind extends string,
  Spec extends z.ZodType,
>(apiVersions: readonly [Version, ...Version[]], kind: Kind, spec: Spec) {
  return z.strictObject({
    apiVersion: z.literal(apiVersions),
    kind: z.literal(kind),
    metadata: metadata('subdomain'),
    spec,
    status: ignoredStatus,
  })
}

/** A kind of Kubernetes itself: real objects are pasted here, so fields we do not use are dropped. */
export function coreResource<
  const Version extends string,
  const Kind extends string,
  Shape extends z.ZodRawShape,
>(apiVersion: Version, kind: Kind, form: NameForm, shape: Shape) {
  return z.object({
    apiVersion: z.literal(apiVersion),
    kind: z.literal(kind),
    metadata: metadata(form),
    ...shape,
  })
}

/** Whatever a cluster wrote there: gwproxy computes its own status. */
const ignoredStatus = z.looseObject({}).exactOptional()

/**
 * Puts a schema behind the API server's rule that an explicit null is an absent field. Nulls in
 * lists stay and are refused by the schema of the list's items.
 */
export function withoutNulls<Schema extends z.ZodType>(schema: Schema) {
  return z.preprocess((value) => (hasNulls(value) ? dropNulls(value) : value), schema)
}

/** Hardly any object has one, and a copy costs as much as a fifth of its check. */
function hasNulls(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasNulls)
  if (typeof value !== 'object' || value === null) return false
  for (const name in value) {
    const member = (value as Record<string, unknown>)[name]
    if (member === null || member === undefined || hasNulls(member)) return true
  }
  return false
}

function dropNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(dropNulls)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== null && member !== undefined)
      .map(([key, member]) => [key, dropNulls(member)]),
  )
}
