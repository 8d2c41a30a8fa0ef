/**
 * `lastTransitionTime` of every condition: moves only when the condition's status does, not when
 * its reason, message or observedGeneration change (digest section 9.1). The record can be saved
 * and restored, so that a restart is no transition.
 */
import { canonicalJson } from '../base/digest.ts'
import { keyText } from '../model/resource-key.ts'
import type { Condition, ObjectStatus } from '../model/status.ts'
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

/** What was made of an object's status last. */
interface Stamped {
  readonly source: ObjectStatus
  readonly status: Readonly<Record<string, unknown>>
  readonly entries: ReadonlyMap<string, Entry>
}

export class TransitionTimes {
  /** By key text. */
  #stamped: ReadonlyMap<string, Stamped> = new Map()
  /** Of an earlier run; what the first stamp does not mention is forgotten. */
  readonly #saved: Map<string, Entry>
  #moved = false

  constructor(saved: TransitionRecord = {}) {
    this.#saved = new Map(Object.entries(saved))
  }

  /**
   * The `.status` of each object, the same one for a status that is the same; conditions that are no
   * longer mentioned are forgotten.
   */
  stamp(statuses: readonly ObjectStatus[], now: number): readonly Record<string, unknown>[] {
    const time = `${new Date(now).toISOString().slice(0, 19)}Z`
    const before = this.#stamped
    const next = new Map<string, Stamped>()
    this.#moved = false
    for (const source of statuses) {
      const key = keyText(source.key)
      const known = before.get(key)
      next.set(key, known?.source === source ? known : this.#stampOne(source, known, time))
    }
    if (this.#saved.size > 0 || [...before.keys()].some((key) => !next.has(key))) this.#moved = true
    this.#saved.clear()
    this.#stamped = next
    return [...next.values()].map(({ status }) => status)
  }

  /** What to save when the last stamp moved a time; undefined: nothing new. */
  get moved(): TransitionRecord | undefined {
    if (!this.#moved) return undefined
    return Object.fromEntries([...this.#stamped.values()].flatMap(({ entries }) => [...entries]))
  }

  #stampOne(source: ObjectStatus, before: Stamped | undefined, time: string): Stamped {
    const entries = new Map<string, Entry>()
    const status = statusOf(source, (scope, condition) => {
      const id = `${scope}/${condition.type}`
      const known = before?.entries.get(id) ?? this.#saved.get(id)
      this.#saved.delete(id)
      const entry = known?.[0] === condition.status ? known : ([condition.status, time] as const)
      if (entry !== known) this.#moved = true
      entries.set(id, entry)
      return { ...condition, lastTransitionTime: entry[1] }
    })
    if (before !== undefined && before.entries.size !== entries.size) this.#moved = true
    return { source, status, entries }
  }
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
