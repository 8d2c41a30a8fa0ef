/**
 * `lastTransitionTime` of every condition: moves only when the condition's status does, not when
 * its reason, message or observedGeneration change (digest section 9.1). The record can be saved
 * and restored, so that a restart is no transition.
 */
import { canonicalJson } from '../base/digest.ts'
import { keyText } from '../model/resource-key.ts'
import type { Condition, ObjectStatus } from '../model/status.ts'
import { DerivedList } from './derived-list.ts'
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

/** What was made of an object's status. */
interface Stamped {
  readonly source: ObjectStatus
  readonly status: Readonly<Record<string, unknown>>
  /** Of each condition, in the order of the status. */
  readonly entries: readonly Entry[]
}

/** What became of statuses, by key text. */
export interface Stamps {
  /** `.status` with its times, of each object whose it is another one than before. */
  readonly changed: ReadonlyMap<string, Readonly<Record<string, unknown>>>
  readonly gone: readonly string[]
}

export class TransitionTimes {
  readonly #stamped = new DerivedList<ObjectStatus, Stamped>()
  /** Of an earlier run; what the first stamp does not mention is forgotten. */
  readonly #saved: Map<string, Entry>
  readonly #conditions = new WeakMap<Condition, TimedCondition>()
  /** Equal ones are the same: of 10,000 objects most became so at the same time. */
  readonly #entries = new Map<string, Entry>()
  #moved = false

  constructor(saved: TransitionRecord = {}) {
    this.#saved = new Map(Object.entries(saved))
  }

  /** Conditions that are no longer mentioned are forgotten. */
  stamp(statuses: readonly ObjectStatus[], now: number): Stamps {
    const time = `${new Date(now).toISOString().slice(0, 19)}Z`
    this.#moved = false
    this.#entries.clear()
    const changed = new Map<string, Stamped['status']>()
    const gone = this.#stamped.next(statuses, {
      make: (source, before) => {
        const stamped = this.#stampOne(source, before, time)
        changed.set(keyText(source.key), stamped.status)
        return stamped
      },
    })
    if (this.#saved.size > 0 || gone.length > 0) this.#moved = true
    this.#saved.clear()
    return { changed, gone }
  }

  /** What to save when the last stamp moved a time; undefined: nothing new. */
  moved(): TransitionRecord | undefined {
    if (!this.#moved) return undefined
    return Object.fromEntries(this.#stamped.items.flatMap((stamped) => [...recordOf(stamped)]))
  }

  #stampOne(source: ObjectStatus, before: Stamped | undefined, time: string): Stamped {
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
    const status = statusOf(source, (scope, condition) => {
      const known = takeKnown(scope, condition)
      const entry = known?.[0] === condition.status ? known : this.#entry(condition.status, time)
      if (entry !== known) this.#moved = true
      entries.push(entry)
      return this.#timed(condition, entry[1])
    })
    if (before !== undefined && before.entries.length !== entries.length) this.#moved = true
    return { source, status, entries }
  }

  #entry(status: string, time: string): Entry {
    const known = this.#entries.get(status) ?? [status, time]
    this.#entries.set(status, known)
    return known
  }

  /** Objects share conditions, and most of them became so at the same time. */
  #timed(condition: Condition, time: string): TimedCondition {
    const known = this.#conditions.get(condition)
    if (known?.lastTransitionTime === time) return known
    const timed = { ...condition, lastTransitionTime: time }
    this.#conditions.set(condition, timed)
    return timed
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
