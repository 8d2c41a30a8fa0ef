/** Statuses as kubectl would show them; times move with the status alone; files follow. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parse } from 'yaml'
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
