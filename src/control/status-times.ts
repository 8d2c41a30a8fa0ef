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
  readonly status: Readonly<Record<string, unknown>>
  /** By condition, in the order of the status. */
  readonly entries: readonly (readonly [id: string, entry: Entry])[]
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
  #moved = false

  constructor(saved: TransitionRecord = {}) {
    this.#saved = new Map(Object.entries(saved))
  }

  /** Conditions that are no longer mentioned are forgotten. */
  stamp(statuses: readonly ObjectStatus[], now: number): Stamps {
    const time = `${new Date(now).toISOString().slice(0, 19)}Z`
    this.#moved = false
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
    return Object.fromEntries(this.#stamped.items.flatMap(({ entries }) => [...entries]))
  }

  #stampOne(source: ObjectStatus, before: Stamped | undefined, time: string): Stamped {
    const entries: [id: string, entry: Entry][] = []
    const status = statusOf(source, (scope, condition) => {
      const id = `${scope}/${condition.type}`
      const known = entryIn(before, id, entries.length) ?? this.#saved.get(id)
      this.#saved.delete(id)
      const entry = known?.[0] === condition.status ? known : ([condition.status, time] as const)
      if (entry !== known) this.#moved = true
      entries.push([id, entry])
      return this.#timed(condition, entry[1])
    })
    if (before !== undefined && before.entries.length !== entries.length) this.#moved = true
    return { status, entries }
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

/** `place`: where it most likely stands. */
function entryIn(stamped: Stamped | undefined, id: string, place: number): Entry | undefined {
  const [likely, entry] = stamped?.entries[place] ?? []
  return likely === id ? entry : stamped?.entries.find(([other]) => other === id)?.[1]
}

type Stamp = (scope: string, condition: Condition) => TimedCondition

function statusOf({ key, body }: ObjectStatus, stamp: Stamp): Record<string, unknown> {
  const scope = keyText(key)
  const timed = (inner: string, conditions: readonly Condition[]): readonly TimedCondition[] =>
    conditions.map((condition) => stamp(`${scope}${inner}`, condition))
  const { kind, ...rest } = body
  const status: Record<string, unknown> = { ...rest }
  if ('conditions' in body) status['conditions'] = timed('', body.conditions)
  if ('listeners' in body) {
    status['listeners'] = body.listeners.map((listener) => ({
      ...listener,
      conditions: timed(`/listener/${listener.name}`, listener.conditions),
    }))
  }
  if (kind === 'route') {
    status['parents'] = body.parents.map((parent) => ({
      ...parent,
      conditions: timed(`/parent/${canonicalJson(parent.parentRef)}`, parent.conditions),
    }))
  }
  if (kind === 'policy') {
    status['ancestors'] = body.ancestors.map((ancestor) => ({
      ...ancestor,
      conditions: timed(`/ancestor/${canonicalJson(ancestor.ancestorRef)}`, ancestor.conditions),
    }))
  }
  return status
}
