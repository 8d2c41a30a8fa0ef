/**
 * The table of conditions and reasons, `conditions.yaml`, against the goldens: each reason is produced
 * by the case that the table names, or by none; what a golden has beside it is in the table too.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parse } from 'yaml'

const CASES = join(import.meta.dirname, 'cases')
const TABLE = parse(readFileSync(join(import.meta.dirname, 'conditions.yaml'), 'utf8')) as Table

/** By who has the condition, its type, and `Status/Reason`: a case, or `never: …`. */
type Table = Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, string>>>>>>

/** As render.ts writes it. */
type Conditions = Readonly<Record<string, string>>

interface ParentStatus {
  readonly conditions: Conditions
  readonly listeners?: readonly { readonly conditions: Conditions }[]
}

type Statuses = Readonly<
  Record<string, ParentStatus | readonly { readonly conditions: Conditions }[]>
>

describe('conditions and their reasons', () => {
  const produced = producedByCase()
  const listed = new Map(
    Object.entries(TABLE).flatMap(([owner, types]) =>
      Object.entries(types).flatMap(([type, reasons]) =>
        Object.entries(reasons).map(([reason, where]) => [`${owner} ${type} ${reason}`, where]),
      ),
    ),
  )

  it('are all in the table', () => {
    const missing = [...produced.keys()].filter((condition) => !listed.has(condition))
    assert.deepEqual(missing.sort(), [])
  })

  for (const [condition, where] of listed) {
    const isNever = where.startsWith('never: ')
    it(`${condition}: ${isNever ? 'never' : where}`, () => {
      const cases = produced.get(condition) ?? new Set()
      if (isNever) assert.deepEqual([...cases], [])
      else assert.ok(cases.has(where), `only by ${[...cases].join(', ') || 'none'}`)
    })
  }
})

/** `Gateway Accepted True/Accepted` to the names of cases. */
function producedByCase(): ReadonlyMap<string, ReadonlySet<string>> {
  const produced = new Map<string, Set<string>>()
  for (const file of readdirSync(CASES).filter((name) => name.endsWith('.out.yaml'))) {
    const { statuses } = parse(readFileSync(join(CASES, file), 'utf8')) as { statuses: Statuses }
    for (const condition of conditionsOf(statuses)) {
      const cases = produced.get(condition) ?? new Set()
      produced.set(condition, cases.add(file.slice(0, -'.out.yaml'.length)))
    }
  }
  return produced
}

function* conditionsOf(statuses: Statuses): Generator<string> {
  for (const [object, status] of Object.entries(statuses)) {
    const [kind = ''] = object.split(' ')
    if ('conditions' in status) {
      yield* texts(kind, status.conditions)
      const entry = kind === 'ListenerSet' ? 'ListenerSet entry' : 'Listener'
      for (const { conditions } of status.listeners ?? []) yield* texts(entry, conditions)
    } else {
      const owner = kind === 'BackendTLSPolicy' ? 'BackendTLSPolicy ancestor' : 'Route parent'
      for (const { conditions } of status) yield* texts(owner, conditions)
    }
  }
}

function* texts(owner: string, conditions: Conditions): Generator<string> {
  for (const [type, reason] of Object.entries(conditions)) yield `${owner} ${type} ${reason}`
}
