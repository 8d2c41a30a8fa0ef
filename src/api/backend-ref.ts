/** References to backends and to Secrets and ConfigMaps (upstream apis/v1/object_reference_types.go). */
import * as z from 'zod'
import type { Output } from './common.ts'
import { group, kindName, namespaceName, objectName, portNumber } from './common.ts'
import { report } from './refine.ts'

export const backendObjectFields = {
  group: group.default(''),
  kind: kindName.default('Service'),
  namespace: namespaceName.exactOptional(),
  name: objectName,
  port: portNumber.exactOptional(),
}

const weight = z
  .int32()
  .min(0, 'must be 0 to 1000000')
  .max(1_000_000, 'must be 0 to 1000000')
  .default(1)

export const weightedBackendFields = { ...backendObjectFields, weight }

export const SERVICE_PORT_RULE = 'A reference to a Service needs a port.'

/** A reference to a Service needs a port: an issue at `port` when it has none. */
export function requireServicePort(
  ref: { readonly group: string; readonly kind: string; readonly port?: number },
  context: z.RefinementCtx,
): void {
  if (ref.group !== '' || ref.kind !== 'Service' || ref.port !== undefined) return
  report(context, ['port'], 'must be set for a reference to a Service')
}

/** BackendObjectReference: without weight, for mirrors and external authorisation. */
export const backendObjectRef = z
  .strictObject(backendObjectFields)
  .superRefine(requireServicePort)
  .describe(SERVICE_PORT_RULE)

/** BackendRef of the layer-4 routes. */
export const backendRef = z
  .strictObject(weightedBackendFields)
  .superRefine(requireServicePort)
  .describe(SERVICE_PORT_RULE)

export type BackendObjectRef = Output<typeof backendObjectRef>
export type BackendRef = Output<typeof backendRef>

/** SecretObjectReference. */
export const secretRef = z.strictObject({
  group: group.default(''),
  kind: kindName.default('Secret'),
  namespace: namespaceName.exactOptional(),
  name: objectName,
})

export type SecretRef = Output<typeof secretRef>

/** ObjectReference: no defaults, other namespaces allowed. */
export const objectRef = z.strictObject({
  group,
  kind: kindName,
  namespace: namespaceName.exactOptional(),
  name: objectName,
})

export type ObjectRef = Output<typeof objectRef>

/** LocalObjectReference: the same namespace. */
export const localObjectRef = z.strictObject({ group, kind: kindName, name: objectName })

export type LocalObjectRef = Output<typeof localObjectRef>
