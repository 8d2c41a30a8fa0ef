/**
 * What the binds need: every part that they lead to, kept from pass to pass by counting who refers to
 * each. A bind or route table takes the place of the one before: what both have in common, 10,000
 * hosts or chains perhaps, is not counted anew.
 */
import type { Digest } from '../base/brand.ts'
import { assertNever } from '../base/assert-never.ts'
import { GwProxyError } from '../base/errors.ts'
import { windowOf } from '../base/lists.ts'
import type { HttpFilter } from '../model/http-filter.ts'
import type { HostRef, HttpRule } from '../model/http.ts'
import {
  type Chain,
  type ChainAction,
  type HttpListener,
  isListPart,
  listPartName,
  type Part,
} from '../model/snapshot.ts'
import type { WeightedUpstream } from '../model/upstream.ts'
import type { UpstreamTarget } from '../model/upstream-target.ts'

/** Of the parts since the pass before. */
export interface PartChange {
  readonly come: readonly (readonly [Digest, Part])[]
  readonly gone: readonly (readonly [Digest, Part])[]
}

/** Counts how often each part is referred to. After a defect it is of no use any more. */
export class ReachableParts {
  readonly #parts = new Map<Digest, Part>()
  readonly #counts = new Map<Digest, number>()
  /**
   * Counted for the first time, or no more: what they refer to themselves is still to be counted. One
   * that lost its last referrer and got another is in both.
   */
  #coming = new Set<Digest>()
  #going = new Set<Digest>()
  #binds: readonly Digest[] = []

  /** Of the newest pass. */
  get all(): ReadonlyMap<Digest, Part> {
    return this.#parts
  }

  /** @throws GwProxyError GWP_DEFECT_INVARIANT when `partOf` does not know what is referred to */
  next(binds: readonly Digest[], partOf: (digest: Digest) => Part | undefined): PartChange {
    const come = new Map<Digest, Part>()
    const gone = new Map<Digest, Part>()
    this.#exchange(this.#binds, binds)
    this.#binds = binds
    while (this.#coming.size + this.#going.size > 0) {
      const [coming, going] = [this.#coming, this.#going]
      this.#coming = new Set()
      this.#going = new Set()
      const left: Part[] = []
      const leaving = new Map<string, Part>()
      for (const digest of going) {
        const part = known(digest, this.#parts.get(digest))
        this.#parts.delete(digest)
        if (!come.delete(digest)) gone.set(digest, part)
        if (isListPart(part)) leaving.set(listPartName(part), part)
        else left.push(part)
      }
      for (const digest of coming) {
        const part = known(digest, partOf(digest))
        this.#parts.set(digest, part)
        if (!gone.delete(digest)) come.set(digest, part)
        const name = isListPart(part) ? listPartName(part) : ''
        this.#exchangeLists(listsOf(leaving.get(name)), listsOf(part))
        leaving.delete(name)
      }
      for (const part of [...left, ...leaving.values()]) this.#exchangeLists(listsOf(part), [])
    }
    return { come: [...come], gone: [...gone] }
  }

  #exchangeLists(before: readonly ReferrerList[], now: readonly ReferrerList[]): void {
    const length = Math.max(before.length, now.length)
    for (let i = 0; i < length; i++) this.#exchange(before[i] ?? [], now[i] ?? [])
  }

  #exchange(before: ReferrerList, now: ReferrerList): void {
    const { start, removed, inserted } = windowOf(before, now)
    for (const one of now.slice(start, start + inserted)) referencesOf(one, this.#hold)
    for (const one of before.slice(start, start + removed)) referencesOf(one, this.#drop)
  }

  readonly #hold = (digest: Digest): void => {
    const count = this.#counts.get(digest) ?? 0
    this.#counts.set(digest, count + 1)
    if (count === 0) this.#coming.add(digest)
  }

  readonly #drop = (digest: Digest): void => {
    const count = this.#counts.get(digest) ?? 0
    if (count > 1) {
      this.#counts.set(digest, count - 1)
      return
    }
    this.#counts.delete(digest)
    this.#going.add(digest)
  }
}

function known(digest: Digest, part: Part | undefined): Part {
  if (part !== undefined) return part
  throw new GwProxyError('GWP_DEFECT_INVARIANT', `part ${digest} is referred to and does not exist`)
}

/** What refers to parts: the entry of a list, or the digest itself. */
type Referrer = Digest | Chain | HttpListener | HostRef
type ReferrerList = readonly Referrer[]

function listsOf(part: Part | undefined): readonly ReferrerList[] {
  switch (part?.kind) {
    case 'bind':
      return part.tables.flatMap(({ chains, listeners }) => [chains, listeners])
    case 'route-table':
      return [part.hosts, part.grpc ?? []]
    case 'http-host':
    case 'grpc-host':
      return [part.rules.flatMap(ruleReferences)]
    case 'upstream':
      return part.tls?.clientCertificate === undefined ? [] : [[part.tls.clientCertificate]]
    case 'certificate':
    case undefined:
      return []
    default:
      return assertNever(part)
  }
}

function referencesOf(one: Referrer, tell: (digest: Digest) => void): void {
  if (typeof one === 'string') tell(one)
  else if ('action' in one) actionReferences(one.action).forEach(tell)
  else if (one.routes !== undefined) tell(one.routes)
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
