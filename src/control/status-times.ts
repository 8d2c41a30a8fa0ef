/**
 * `lastTransitionTime` of every condition: moves only when the condition's status does, not when
 * its reason, message or observedGeneration change (digest section 9.1). The record can be saved
 * and restored, so that a restart is no transition.
 */
import { canonicalJson } from '../base/digest.ts'
import { keyText, type ResourceKey } from '../model/resource-key.ts'
import type { Condition, ObjectStatus } from '../model/status.ts'
import { DerivedList } from './derived-list.ts'
import type { Keyed } from './keyed-window.ts'
import type { StateDir } from './state-dir.ts'

/** Condition identity -> `[status, RFC 3339 time]`. */
export type TransitionRecord = Readonly<Record<string, readonly [string, string]>>

/** The document of --state-dir. */
export const TRANSITIONS = 'transitions'

/** What an earlier run wrote; anything of another shape counts as nothing. */
export function readTransitions(state: StateDir | undefined): TransitionRecord {
  const saved = state?.read(TRANSITIONS)
  if (typeof saved !== 'object' || saved === null) return {}
  return Object.fromEntries(
    Object.entries(saved).filter(
      ([, entry]) => Array.isArray(entry) && entry.length === 2 && entry.every(isText),
    ),
  )
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

export interface TimedCondition extends Condition {
  readonly lastTransitionTime: string
}

type Entry = readonly [status: string, time: string]

/** What is known of an object's conditions. */
interface Stamped {
  readonly source: ObjectStatus
  /** Of each condition, in the order of the status. */
  readonly entries: readonly Entry[]
}

export class TransitionTimes {
  readonly #stamped = new DerivedList<ObjectStatus, TimedStatus>()
  /** Of an earlier run; what the first stamp does not mention is forgotten. */
  readonly #saved: Map<string, Entry>
  /** Equal ones are the same, by text: of 10,000 objects most became so at the same time. */
  readonly #known = new Map<string, readonly Entry[]>()
  #moved = false

  constructor(saved: TransitionRecord = {}) {
    this.#saved = new Map(Object.entries(saved))
  }

  /** Each status with its times; of one that changed another one than before. */
  get items(): readonly TimedStatus[] {
    return this.#stamped.items
  }

  /** Conditions that are no longer mentioned are forgotten. Returns whose times are others than before. */
  stamp(statuses: readonly ObjectStatus[], now: number): readonly ResourceKey[] {
    const time = `${new Date(now).toISOString().slice(0, 19)}Z`
    this.#moved = false
    this.#known.clear()
    const changed: ResourceKey[] = []
    const gone = this.#stamped.next(statuses, {
      make: (source, before) => {
        changed.push(source.key)
        return this.#stampOne(source, before, time)
      },
    })
    if (this.#saved.size > 0 || gone.length > 0) this.#moved = true
    this.#saved.clear()
    return [...changed, ...gone]
  }

  /** What to save when the last stamp moved a time; undefined: nothing new. */
  moved(): TransitionRecord | undefined {
    if (!this.#moved) return undefined
    return Object.fromEntries(this.items.flatMap((stamped) => [...recordOf(stamped)]))
  }

  #stampOne(source: ObjectStatus, before: Stamped | undefined, time: string): TimedStatus {
    const entries: Entry[] = []
    const past = before === undefined ? this.#saved : new Map(recordOf(before))
    // What nothing is known of needs no name.
    const takeKnown = (scope: Scope, condition: Condition): Entry | undefined => {
      if (past.size === 0) return undefined
      const id = idOf(scope, condition)
      const known = past.get(id)
      past.delete(id)
      return known
    }
    statusOf(source, (scope, condition) => {
      const known = takeKnown(scope, condition)
      if (known?.[0] !== condition.status) this.#moved = true
      entries.push(known?.[0] === condition.status ? known : [condition.status, time])
      return condition
    })
    if (before !== undefined && before.entries.length !== entries.length) this.#moved = true
    return new TimedStatus(source, this.#same(entries))
  }

  #same(entries: readonly Entry[]): readonly Entry[] {
    const text = entries.join()
    const known = this.#known.get(text) ?? entries
    this.#known.set(text, known)
    return known
  }
}

/** A status and when each of its conditions became so: put together when somebody asks. */
export class TimedStatus implements Keyed, Stamped {
  readonly source: ObjectStatus
  readonly entries: readonly Entry[]

  constructor(source: ObjectStatus, entries: readonly Entry[]) {
    this.source = source
    this.entries = entries
  }

  get key(): ResourceKey {
    return this.source.key
  }

  /** `.status` */
  get status(): Readonly<Record<string, unknown>> {
    let next = 0
    return statusOf(this.source, (_, condition): TimedCondition => {
      const [, lastTransitionTime = ''] = this.entries[next++] ?? []
      return { ...condition, lastTransitionTime }
    })
  }
}

/** By condition, under the names in which they are saved. */
function recordOf({ source, entries }: Stamped): readonly (readonly [id: string, entry: Entry])[] {
  const record: [id: string, entry: Entry][] = []
  statusOf(source, (scope, condition) => {
    const entry = entries[record.length]
    if (entry !== undefined) record.push([idOf(scope, condition), entry])
    return condition
  })
  return record
}

function idOf(scope: Scope, { type }: Condition): string {
  return `${scope()}/${type}`
}

/** The name of what holds the condition. */
type Scope = () => string
type Stamp = (scope: Scope, condition: Condition) => Condition

function statusOf({ key, body }: ObjectStatus, stamp: Stamp): Record<string, unknown> {
  const timed = (inner: Scope, conditions: readonly Condition[]): readonly Condition[] => {
    const scope = (): string => `${keyText(key)}${inner()}`
    return conditions.map((condition) => stamp(scope, condition))
  }
  const { kind, ...rest } = body
  const status: Record<string, unknown> = { ...rest }
  if ('conditions' in body) status['conditions'] = timed(() => '', body.conditions)
  if ('listeners' in body) {
    status['listeners'] = body.listeners.map((listener) => ({
      ...listener,
      conditions: timed(() => `/listener/${listener.name}`, listener.conditions),
    }))
  }
  if (kind === 'route') {
    status['parents'] = body.parents.map((parent) => ({
      ...parent,
      conditions: timed(() => `/parent/${canonicalJson(parent.parentRef)}`, parent.conditions),
    }))
  }
  if (kind === 'policy') {
    status['ancestors'] = body.ancestors.map((ancestor) => ({
      ...ancestor,
      conditions: timed(
        () => `/ancestor/${canonicalJson(ancestor.ancestorRef)}`,
        ancestor.conditions,
      ),
    }))
  }
  return status
}
