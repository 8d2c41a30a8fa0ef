/**
 * ReferenceGrant (digest section 3.2): whether an object may refer to one in another namespace. The
 * grant lives in the target's namespace; all entries of all grants are alternatives.
 */
import type { ReferenceGrant } from '../api/reference-grant.ts'
import type { Resource } from '../api/resource.ts'
import type { ResourceKey } from '../model/resource-key.ts'
import type { TranslateContext } from './context.ts'
import { groupedBy } from './grouped.ts'

/** Who refers: a route, a Gateway or a ListenerSet. */
export interface GrantFrom {
  readonly group: string
  readonly kind: string
  readonly namespace: string
}

const grantsIn = groupedBy((grant: Resource<ReferenceGrant>) => [grant.key.namespace])

/** A reference within one namespace needs no grant. */
export function permits(context: TranslateContext, from: GrantFrom, to: ResourceKey): boolean {
  if (from.namespace === to.namespace) return true
  return grantsIn(context.resources.referenceGrants, to.namespace).some(
    ({ object: { spec } }) =>
      spec.from.some(
        (entry) =>
          entry.group === from.group &&
          entry.kind === from.kind &&
          entry.namespace === from.namespace,
      ) &&
      spec.to.some(
        (entry) =>
          entry.group === to.group &&
          entry.kind === to.kind &&
          (entry.name === undefined || entry.name === to.name),
      ),
  )
}

/** The smallest grant that permits the reference, as YAML to paste. */
export function grantYaml(from: GrantFrom, to: ResourceKey): string {
  const name = `${from.kind.toLowerCase()}-of-${from.namespace}-to-${to.name}`
  return `apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata:
  name: ${scalar(name.slice(0, 253))}
  namespace: ${scalar(to.namespace)}
spec:
  from:
    - group: ${scalar(from.group)}
      kind: ${scalar(from.kind)}
      namespace: ${scalar(from.namespace)}
  to:
    - group: ${scalar(to.group)}
      kind: ${scalar(to.kind)}
      name: ${scalar(to.name)}
`
}

/** Words that YAML takes for something else than text. */
const RESERVED = /^(?:true|false|null|yes|no|on|off|y|n)$/i
const PLAIN = /^[a-z][a-z0-9.-]*$/i

function scalar(text: string): string {
  return PLAIN.test(text) && !RESERVED.test(text) ? text : JSON.stringify(text)
}
