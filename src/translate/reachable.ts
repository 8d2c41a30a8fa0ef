/** What a set of binds needs: every part that they lead to, and the keys of its certificates. */
import type { Digest } from '../base/brand.ts'
import { assertNever } from '../base/assert-never.ts'
import type { HttpFilter } from '../model/http-filter.ts'
import type { HttpRule } from '../model/http.ts'
import type { ChainAction, Part } from '../model/snapshot.ts'
import type { WeightedUpstream } from '../model/upstream.ts'
import type { UpstreamTarget } from '../model/upstream-target.ts'

/** The binds themselves included, each before what it leads to. */
export function reachableParts(
  binds: readonly Digest[],
  partOf: (digest: Digest) => Part | undefined,
): ReadonlyMap<Digest, Part> {
  const found = new Map<Digest, Part>()
  const open = [...binds]
  for (let digest = open.pop(); digest !== undefined; digest = open.pop()) {
    const part = found.has(digest) ? undefined : partOf(digest)
    if (part === undefined) continue
    found.set(digest, part)
    for (const reference of referencesOf(part)) open.push(reference)
  }
  return found
}

const NONE: readonly Digest[] = []

/** Parts never change. */
const known = new WeakMap<Part, readonly Digest[]>()

function referencesOf(part: Part): readonly Digest[] {
  // Of 10,000 hardly worth remembering.
  if (part.kind === 'certificate') return NONE
  const references = known.get(part) ?? findReferences(part)
  known.set(part, references)
  return references
}

function findReferences(part: Part): readonly Digest[] {
  switch (part.kind) {
    case 'bind':
      return part.tables.flatMap(({ chains, listeners }) => [
        ...chains.flatMap(({ action }) => actionReferences(action)),
        ...listeners.flatMap(({ routes }) => routes ?? []),
      ])
    case 'route-table':
      return [...part.hosts, ...(part.grpc ?? [])].map(({ routes }) => routes)
    case 'http-host':
    case 'grpc-host':
      return part.rules.flatMap(ruleReferences)
    case 'upstream':
      return part.tls?.clientCertificate === undefined ? [] : [part.tls.clientCertificate]
    case 'certificate':
      return NONE
    default:
      return assertNever(part)
  }
}

function ruleReferences({ action, filters }: HttpRule): readonly Digest[] {
  const own = filters.flatMap(filterReferences)
  if (action.kind !== 'forward') return own
  const { backends } = action
  return [
    ...own,
    ...upstreamsOf(backends),
    ...backends.flatMap((backend) => backend.filters.flatMap(filterReferences)),
  ]
}

function filterReferences(filter: HttpFilter): readonly Digest[] {
  return 'target' in filter ? targetReferences(filter.target) : []
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
  return backends.flatMap(({ target }) => targetReferences(target))
}

function targetReferences(target: UpstreamTarget): readonly Digest[] {
  return target.kind === 'upstream' ? [target.upstream] : []
}
