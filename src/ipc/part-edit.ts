/**
 * Parts with long lists, told by what differs from one that the receiver has: of the 10,000 listeners
 * of a bind or hosts of a route table an edit changes one. What stays is the very same object on the
 * other side, so that what was made of it is known there by identity.
 */
import type { Digest } from '../base/brand.ts'
import { GwProxyError } from '../base/errors.ts'
import { windowOf } from '../base/lists.ts'
import type { HostRef, RouteTablePart } from '../model/http.ts'
import {
  type BindPart,
  type Chain,
  type ChainTable,
  type HttpListener,
  isListPart,
  type KeptPart,
  type ListPart,
  listPartName,
  type Part,
} from '../model/snapshot.ts'
import { packPart } from './packed-part.ts'

/** A part as it travels. */
export type SentPart = KeptPart | PartEdit

export type PartEdit =
  | {
      readonly kind: 'bind-edit'
      readonly from: Digest
      readonly bind: Omit<BindPart, 'tables'>
      /** In the order of the tables; those of `from` are as many. */
      readonly tables: readonly TableEdit[]
    }
  | {
      readonly kind: 'route-table-edit'
      readonly from: Digest
      readonly table: Omit<RouteTablePart, 'hosts' | 'grpc'>
      readonly hosts: ListEdit<HostRef>
      readonly grpc?: ListEdit<HostRef>
    }

interface TableEdit extends Pick<ChainTable, 'localAddresses'> {
  readonly chains: ListEdit<Chain>
  readonly listeners: ListEdit<HttpListener>
}

/** `inserted` takes the place of `removed` items. */
interface ListEdit<T> {
  readonly start: number
  readonly removed: number
  readonly inserted: readonly T[]
}

/** Lists shorter than this travel whole. */
const LEAST = 64

/** What has lists for edits, by what stays the same of it: parts of one name replace each other. */
export class EditedParts {
  readonly #byName = new Map<string, readonly [Digest, ListPart]>()

  /** `come` and `gone`: since the call before; what has come and is not gone is what the receiver has. */
  next(
    come: readonly (readonly [Digest, Part])[],
    gone: readonly (readonly [Digest, Part])[],
  ): readonly (readonly [Digest, SentPart])[] {
    const sent = come.map(([digest, part]): readonly [Digest, SentPart] => {
      const known = isListPart(part) ? this.#byName.get(listPartName(part)) : undefined
      // The receiver drops what the manifest does not name only after it has read all.
      return [digest, (known && editOf(known[0], known[1], part)) ?? packPart(part)]
    })
    for (const [, part] of gone) if (isListPart(part)) this.#byName.delete(listPartName(part))
    for (const [digest, part] of come) {
      if (isListPart(part) && isLong(part)) this.#byName.set(listPartName(part), [digest, part])
    }
    return sent
  }

  /** The receiver may have nothing. */
  forget(): void {
    this.#byName.clear()
  }
}

function isLong(part: ListPart): boolean {
  return part.kind === 'bind'
    ? part.tables.some(({ chains, listeners }) => chains.length + listeners.length >= LEAST)
    : part.hosts.length + (part.grpc?.length ?? 0) >= LEAST
}

/** undefined: it must travel whole. */
function editOf(from: Digest, before: ListPart, now: Part): PartEdit | undefined {
  if (before.kind === 'bind' && now.kind === 'bind') {
    const { tables, ...bind } = now
    if (tables.length !== before.tables.length) return undefined
    return {
      kind: 'bind-edit',
      from,
      bind,
      tables: tables.map(({ localAddresses, chains, listeners }, index) => ({
        localAddresses,
        chains: listEdit(before.tables[index]?.chains ?? [], chains, isIdentical),
        listeners: listEdit(before.tables[index]?.listeners ?? [], listeners, isEqual),
      })),
    }
  }
  if (before.kind === 'route-table' && now.kind === 'route-table') {
    const { hosts, grpc, ...table } = now
    return {
      kind: 'route-table-edit',
      from,
      table,
      hosts: listEdit(before.hosts, hosts, isEqual),
      ...(grpc && { grpc: listEdit(before.grpc ?? [], grpc, isEqual) }),
    }
  }
  return undefined
}

function listEdit<T>(
  before: readonly T[],
  now: readonly T[],
  isSame: (a: T, b: T) => boolean,
): ListEdit<T> {
  const { start, removed, inserted } = windowOf(before, now, isSame)
  return { start, removed, inserted: now.slice(start, start + inserted) }
}

/** Chains are made anew together, or not at all. */
function isIdentical(a: Chain, b: Chain): boolean {
  return a === b
}

/** Their fields are texts. All count, also one that is added some day. */
function isEqual<T extends HttpListener | HostRef>(a: T, b: T): boolean {
  for (const name in a) if (a[name] !== b[name]) return false
  for (const name in b) if (!(name in a)) return false
  return true
}

/** The other side of EditedParts: keeps what edits may be about, which are parts that are kept anyway. */
export class PartReader {
  readonly #held = new Map<Digest, KeptPart>()
  readonly #digests = new Set<Digest>()

  /** Of all parts that were sent and are not gone. The same part has the same text from update to update. */
  get digests(): ReadonlySet<Digest> {
    return new Set(this.#digests)
  }

  /**
   * `gone`: of those before; absent: all of them.
   * @throws GwProxyError GWP_DEFECT_INVARIANT
   */
  next(
    sent: readonly (readonly [Digest, SentPart])[],
    gone?: readonly Digest[],
  ): readonly (readonly [Digest, KeptPart])[] {
    const parts = sent.map(
      ([digest, one]) => [digest, readPart(one, (other) => this.#held.get(other))] as const,
    )
    this.#forget(gone)
    for (const [digest, part] of parts) {
      this.#digests.add(digest)
      if (isListPart(part) && isLong(part)) this.#held.set(digest, part)
    }
    return parts
  }

  #forget(gone: readonly Digest[] | undefined): void {
    for (const digest of gone ?? this.#digests) {
      this.#held.delete(digest)
      this.#digests.delete(digest)
    }
  }
}

/**
 * The part itself. `partOf`: of those that the receiver has.
 * @throws GwProxyError GWP_DEFECT_INVARIANT when it has not what the edit is about
 */
export function readPart(
  sent: SentPart,
  partOf: (digest: Digest) => KeptPart | undefined,
): KeptPart {
  switch (sent.kind) {
    case 'bind-edit': {
      const before = partOf(sent.from)
      if (before?.kind !== 'bind' || before.tables.length !== sent.tables.length) {
        throw neverSent(sent.from)
      }
      const tables = sent.tables.map(({ localAddresses, chains, listeners }, index): ChainTable => {
        const table = before.tables[index]
        return {
          localAddresses,
          chains: edited(table?.chains ?? [], chains, sent.from),
          listeners: edited(table?.listeners ?? [], listeners, sent.from),
        }
      })
      return { ...sent.bind, tables }
    }
    case 'route-table-edit': {
      const before = partOf(sent.from)
      if (before?.kind !== 'route-table') throw neverSent(sent.from)
      const { table, hosts, grpc, from } = sent
      return {
        ...table,
        hosts: edited(before.hosts, hosts, from),
        ...(grpc && { grpc: edited(before.grpc ?? [], grpc, from) }),
      }
    }
    default:
      return sent
  }
}

function edited<T>(
  before: readonly T[],
  { start, removed, inserted }: ListEdit<T>,
  from: Digest,
): readonly T[] {
  if (removed === 0 && inserted.length === 0) return before
  if (start + removed > before.length) throw neverSent(from)
  return [...before.slice(0, start), ...inserted, ...before.slice(start + removed)]
}

function neverSent(digest: Digest): GwProxyError {
  return new GwProxyError(
    'GWP_DEFECT_INVARIANT',
    `part ${digest}, of which this is an edit, was never sent`,
  )
}
