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

export class TransitionTimes {
  #current: ReadonlyMap<string, readonly [string, string]>
  #moved = false

  constructor(saved: TransitionRecord = {}) {
    this.#current = new Map(Object.entries(saved))
  }

  /** The `.status` of each object; conditions that are no longer mentioned are forgotten. */
  stamp(statuses: readonly ObjectStatus[], now: number): readonly Record<string, unknown>[] {
    const time = `${new Date(now).toISOString().slice(0, 19)}Z`
    const next = new Map<string, readonly [string, string]>()
    const stampOne = (scope: string, condition: Condition): TimedCondition => {
      const id = `${scope}/${condition.type}`
      const known = this.#current.get(id)
      const entry = known?.[0] === condition.status ? known : ([condition.status, time] as const)
      next.set(id, entry)
      return { ...condition, lastTransitionTime: entry[1] }
    }
    const stamped = statuses.map((status) => statusOf(status, stampOne))
    this.#moved =
      next.size !== this.#current.size ||
      [...next].some(([id, entry]) => this.#current.get(id) !== entry)
    this.#current = next
    return stamped
  }

  /** What to save when the last stamp moved a time; undefined: nothing new. */
  get moved(): TransitionRecord | undefined {
    return this.#moved ? Object.fromEntries(this.#current) : undefined
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
