/** Statuses as kubectl would show them; times move with the status alone; files follow. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parse } from 'yaml'
import { shareStatuses } from '../../../src/control/shared-statuses.ts'
import { StatusDirectory } from '../../../src/control/status-dir.ts'
import { StatusStore } from '../../../src/control/status-store.ts'
import { readTransitions, type TransitionRecord } from '../../../src/control/status-times.ts'
import type { ConfigUpdate, ObjectRecord } from '../../../src/ipc/messages.ts'
import type { Condition, ObjectStatus } from '../../../src/model/status.ts'
import { configUpdate, recordingLog } from './fixtures.ts'

const KEY = {
  group: 'gateway.networking.k8s.io',
  kind: 'HTTPRoute',
  namespace: 'default',
  name: 'web',
}
const ORIGIN = { file: 'web.yaml', line: 1, column: 1 }
const PARENT = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'gw' }

function condition(status: Condition['status'], generation: number): Condition {
  return {
    type: 'Accepted',
    status,
    reason: `Reason${generation}`,
    message: '',
    observedGeneration: generation,
  }
}

function routeStatus(status: Condition['status'], generation = 1): ObjectStatus {
  const conditions = [condition(status, generation)]
  const parents = [{ parentRef: PARENT, controllerName: 'c', conditions }]
  return { key: KEY, generation, origin: ORIGIN, body: { kind: 'route', parents } }
}

function update(
  statuses: readonly ObjectStatus[],
  objects?: readonly ObjectRecord[],
): ConfigUpdate {
  const record: ObjectRecord = {
    key: KEY,
    apiVersion: 'gateway.networking.k8s.io/v1',
    origin: ORIGIN,
    generation: 7,
    seenAt: 0,
    stale: false,
    object: JSON.stringify({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: 'web', uid: 'u-1', labels: { a: 'b' } },
      spec: { rules: [] },
      status: { parents: 'from the file' },
    }),
  }
  return { ...configUpdate({ generation: 3 }), statuses, objects: objects ?? [record] }
}

function setUp(saved?: TransitionRecord) {
  let now = Date.UTC(2026, 0, 1)
  const moves: (TransitionRecord | undefined)[] = []
  const store = new StatusStore({
    applyBindResults: (statuses) => statuses,
    clock: { now: () => now, monotonic: () => now },
    saved,
    onPublished: (_report, moved) => void moves.push(moved()),
  })
  const time = (): unknown => {
    const status = store.report.objects[0]?.object['status'] as {
      parents: { conditions: { lastTransitionTime: string }[] }[]
    }
    return status.parents[0]?.conditions[0]?.lastTransitionTime
  }
  return {
    store,
    moves,
    time,
    pass: (ms: number) => {
      now += ms
    },
  }
}

describe('StatusStore', () => {
  it('shows the object with its metadata, spec and our status', () => {
    const { store } = setUp()
    store.publish(update([routeStatus('True')]), [])
    assert.equal(store.report.generation, 3)
    assert.deepEqual(store.report.objects[0]?.object, {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: {
        name: 'web',
        namespace: 'default',
        uid: 'u-1',
        labels: { a: 'b' },
        generation: 7,
      },
      spec: { rules: [] },
      status: {
        parents: [
          {
            parentRef: PARENT,
            controllerName: 'c',
            conditions: [{ ...condition('True', 1), lastTransitionTime: '2026-01-01T00:00:00Z' }],
          },
        ],
      },
    })
  })

  it('an object without a status of ours shows none, whatever its file says', () => {
    const { store } = setUp()
    store.publish(update([]), [])
    assert.equal('status' in (store.report.objects[0]?.object ?? {}), false)
  })

  it('moves lastTransitionTime with the status, not with reason or generation', () => {
    const { store, pass, time } = setUp()
    store.publish(update([routeStatus('True', 1)]), [])
    pass(60_000)
    store.publish(update([routeStatus('True', 2)]), [])
    assert.equal(time(), '2026-01-01T00:00:00Z')
    store.publish(update([routeStatus('False', 3)]), [])
    assert.equal(time(), '2026-01-01T00:01:00Z')
  })

  it('a restart is no transition, and only moves are saved', () => {
    const first = setUp()
    first.store.publish(update([routeStatus('True')]), [])
    first.store.publish(update([routeStatus('True')]), [])
    assert.equal(first.moves[1], undefined)
    const saved = JSON.parse(JSON.stringify(first.moves[0])) as TransitionRecord
    const second = setUp(readTransitions({ path: '', read: () => saved, write: () => undefined }))
    second.pass(3_600_000)
    second.store.publish(update([routeStatus('True')]), [])
    assert.equal(second.time(), '2026-01-01T00:00:00Z')
  })

  it('takes a damaged record for none', () => {
    for (const damaged of [undefined, 7, null, 'x', { a: 1, b: ['True'], c: [1, 2] }]) {
      const state = { path: '', read: () => damaged, write: () => undefined }
      assert.deepEqual(readTransitions(state), {})
    }
  })
})

describe('StatusDirectory', () => {
  it('writes one file per object with a status, and removes those of objects that are gone', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'gwproxy-status-'))
    const { log, lines } = recordingLog()
    const { store } = setUp()
    writeFileSync(join(directory, 'mine.yaml'), 'kind: Note\n')
    store.publish(update([routeStatus('True')]), [])
    const first = new StatusDirectory(directory, log)
    first.publish(store.report)
    await first.flushed()
    const name = 'HTTPRoute_default_web.yaml'
    assert.deepEqual(readdirSync(directory).sort(), [name, 'mine.yaml'])
    const written: unknown = parse(readFileSync(join(directory, name), 'utf8'))
    assert.deepEqual(written, JSON.parse(JSON.stringify(store.report.objects[0]?.object)))

    // Another run: what the first one wrote is ours to remove, other files are not.
    store.publish(update([], []), [])
    const second = new StatusDirectory(directory, log)
    second.publish(store.report)
    await second.flushed()
    assert.deepEqual(readdirSync(directory), ['mine.yaml'])
    assert.deepEqual(lines, [])
    rmSync(directory, { recursive: true })
  })

  it('gives objects of the longest names a file each', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'gwproxy-status-'))
    const { log, lines } = recordingLog()
    const objects = ['a', 'b'].map((last) => ({
      origin: { file: 'a.yaml', line: 1, column: 1 },
      seenAt: 0,
      stale: false,
      object: {
        apiVersion: 'v1',
        kind: 'HTTPRoute',
        metadata: { namespace: 'n'.repeat(63), name: `${'x'.repeat(252)}${last}` },
        status: {},
      },
    }))
    const statuses = new StatusDirectory(directory, log)
    statuses.publish({ generation: 1, objects, problems: [] })
    await statuses.flushed()
    assert.deepEqual(lines, [])
    assert.equal(readdirSync(directory).length, 2)
    rmSync(directory, { recursive: true })
  })

  it('a directory that cannot be written is a warning', async () => {
    const { log, lines } = recordingLog()
    const directory = new StatusDirectory('/dev/null/status', log)
    directory.publish({ generation: 1, objects: [], problems: [] })
    await directory.flushed()
    assert.equal(lines[0]?.level, 'warn')
  })
})

describe('statuses that say the same', () => {
  const named = (name: string, status: Condition['status']): ObjectStatus => ({
    ...routeStatus(status),
    key: { ...KEY, name },
  })

  it('share it on the other side, and are what they were', () => {
    const items = [named('a', 'True'), named('b', 'False'), named('c', 'True')]
    const whole = structuredClone(shareStatuses({ kind: 'whole', items }))
    assert.ok(whole.kind === 'whole')
    assert.deepEqual(whole.items, items)
    assert.equal(whole.items[0]?.body, whole.items[2]?.body)
    assert.notEqual(whole.items[0]?.body, whole.items[1]?.body)
    const listeners = ['a', 'b'].map((name) => ({
      name,
      supportedKinds: [],
      attachedRoutes: 0,
      conditions: [condition('True', 1)],
    }))
    const set: ObjectStatus = {
      ...named('set', 'True'),
      body: { kind: 'listener-set', conditions: [condition('True', 1)], listeners },
    }
    const sets = structuredClone(shareStatuses({ kind: 'whole', items: [set] }))
    assert.ok(sets.kind === 'whole')
    assert.deepEqual(sets.items, [set])
    const body = sets.items[0]?.body
    assert.ok(body?.kind === 'listener-set')
    assert.equal(body.listeners[0]?.conditions, body.listeners[1]?.conditions)
    const edit = {
      kind: 'edit',
      start: 1,
      removed: 0,
      inserted: items.slice(0, 1),
      changed: [[2, items[2] ?? assert.fail()]],
    } as const
    assert.deepEqual(structuredClone(shareStatuses(edit)), edit)
  })
})

describe('a store that went through many updates', () => {
  const NAMES = [...'abcdefghijklmnop']
  const state = fc.record({
    /** Of each object that there is: the version of its record. */
    records: fc.dictionary(fc.constantFrom(...NAMES), fc.nat(1), { noNullPrototype: true }),
    statuses: fc.dictionary(
      fc.constantFrom(...NAMES),
      fc.tuple(fc.constantFrom('True', 'False'), fc.nat(1)),
      { noNullPrototype: true },
    ),
    /** Lists may stand in any order. */
    reversed: fc.boolean(),
  })

  it('shows what a new one would show, and each time moved with its status alone', () => {
    fc.assert(
      fc.property(fc.array(state, { maxLength: 6 }), (states) => {
        const { store, pass } = setUp()
        const since = new Map<string, readonly [status: string, time: string]>()
        const known = new Map<string, ObjectRecord | ObjectStatus>()
        // What did not change is the same object, as it is after a delta.
        const same = <T extends ObjectRecord | ObjectStatus>(id: string, make: () => T): T => {
          const one = (known.get(id) ?? make()) as T
          known.set(id, one)
          return one
        }
        for (const [step, { records, statuses, reversed }] of states.entries()) {
          const objects = Object.entries(records).map(([name, version]) =>
            same(
              `record ${name} ${version}`,
              (): ObjectRecord => ({
                key: { ...KEY, name },
                apiVersion: 'v1',
                origin: ORIGIN,
                generation: version,
                seenAt: 0,
                stale: false,
                object: '{}',
              }),
            ),
          )
          const list = Object.entries(statuses).map(([name, [status, generation]]) =>
            same(
              `status ${name} ${status} ${generation}`,
              (): ObjectStatus => ({
                ...routeStatus(status as Condition['status'], generation),
                key: { ...KEY, name },
              }),
            ),
          )
          if (reversed) list.reverse()
          pass(60_000)
          store.publish(update(list, objects), [])
          const time = `2026-01-01T00:0${step + 1}:00Z`
          for (const name of NAMES) {
            const [status] = statuses[name] ?? []
            if (status === undefined) since.delete(name)
            else if (since.get(name)?.[0] !== status) since.set(name, [status, time])
          }
          const shown = store.report.objects.map(({ object }) => {
            const name = String(object.metadata['name'])
            const made = object['status'] as { parents: { conditions: object[] }[] } | undefined
            return [name, object.metadata['generation'], made?.parents[0]?.conditions[0]]
          })
          assert.deepEqual(
            shown,
            Object.entries(records).map(([name, version]) => {
              const [status, generation] = statuses[name] ?? []
              const lastTransitionTime = since.get(name)?.[1]
              const made = status && {
                ...condition(status as Condition['status'], generation ?? 0),
                lastTransitionTime,
              }
              return [name, version, made]
            }),
          )
        }
      }),
    )
  })
})
