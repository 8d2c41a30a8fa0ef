/** What a set of binds needs: every part that they lead to, and the keys of its certificates. */
import type { Digest } from '../base/brand.ts'
import { compareText } from '../base/byte-order.ts'
import { assertNever } from '../base/assert-never.ts'
import type { ChainAction, Part } from '../model/snapshot.ts'
import type { WeightedUpstream } from '../model/upstream.ts'

/** Sorted by digest, the binds themselves included. */
export function reachableParts(
  binds: readonly Digest[],
  parts: ReadonlyMap<Digest, Part>,
): ReadonlyMap<Digest, Part> {
  const found = new Map<Digest, Part>()
  const open = [...binds]
  for (let digest = open.pop(); digest !== undefined; digest = open.pop()) {
    const part = found.has(digest) ? undefined : parts.get(digest)
    if (part === undefined) continue
    found.set(digest, part)
    open.push(...referencesOf(part))
  }
  return new Map([...found].sort(([a], [b]) => compareText(a, b)))
}

function referencesOf(part: Part): readonly Digest[] {
  switch (part.kind) {
    case 'bind':
      return part.tables.flatMap(({ chains, listeners }) => [
        ...chains.flatMap(({ action }) => actionReferences(action)),
        ...listeners.flatMap(({ routes }) => routes ?? []),
      ])
    case 'route-table':
      return part.rules.flatMap(({ action }) =>
        action.kind === 'forward' ? upstreamsOf(action.backends) : [],
      )
    case 'upstream':
    case 'certificate':
      return []
    default:
      return assertNever(part)
  }
}

function actionReferences(action: ChainAction): readonly Digest[] {
  switch (action.kind) {
    case 'tcp-forward':
    case 'tls-passthrough':
    case 'udp-forward':
      return upstreamsOf(action.backends)
    case 'tls-terminate':
      return [...action.certificates, ...actionReferences(action.then)]
    case 'http':
    case 'reset':
      return []
    default:
      return assertNever(action)
  }
}

function upstreamsOf(backends: readonly WeightedUpstream[]): readonly Digest[] {
  return backends.flatMap(({ target }) => (target.kind === 'upstream' ? [target.upstream] : []))
}
