/** Who an object is: group, kind, namespace, name. Version is not part of identity. */

export interface ResourceKey {
  readonly group: string
  readonly kind: string
  /** Empty for cluster-scoped kinds. */
  readonly namespace: string
  readonly name: string
}

/** The form used as a Map key: unambiguous, since none of the parts may hold a `/`. */
export function keyText(key: ResourceKey): string {
  return `${key.group}/${key.kind}/${key.namespace}/${key.name}`
}

export function isSameKey(a: ResourceKey, b: ResourceKey | undefined): boolean {
  return (
    a === b ||
    (a.name === b?.name && a.namespace === b.namespace && a.kind === b.kind && a.group === b.group)
  )
}

/** The form for people: `Gateway default/web`, `GatewayClass web`. */
export function displayKey(key: ResourceKey): string {
  const name = key.namespace === '' ? key.name : `${key.namespace}/${key.name}`
  return `${key.kind} ${name}`
}
