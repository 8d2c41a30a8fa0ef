import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Digest } from '../../../src/base/brand.ts'
import { DeltaReceiver, DeltaSender } from '../../../src/control/delta.ts'
import { UpdateBuilder } from '../../../src/control/update-builder.ts'
import type { ObjectRecord } from '../../../src/ipc/messages.ts'
import type { Diagnostic } from '../../../src/model/diagnostic.ts'
import type { Part } from '../../../src/model/snapshot.ts'
import { NO_HOLDINGS } from '../../../src/translate/holdings.ts'
import type { Translation } from '../../../src/translate/translate.ts'

const ORIGIN = { file: 'x.yaml', line: 1, column: 1 }

function translation(...digests: readonly string[]): Translation {
  const ids = digests as readonly Digest[]
  const part: Part = { kind: 'upstream', name: 'u', protocol: 'tcp', endpoints: [] }
  return {
    manifest: { digest: ids.join() as Digest, binds: ids, parts: ids },
    parts: new Map(ids.map((id) => [id, part])),
    keys: [],
    statuses: [],
    pending: [],
    diagnostics: [],
    holdings: NO_HOLDINGS,
  }
}

function record(name: string): ObjectRecord {
  const key = { group: '', kind: 'Service', namespace: 'default', name }
  return {
    key,
    apiVersion: 'v1',
    origin: ORIGIN,
    generation: 1,
    seenAt: 0,
    stale: false,
    object: {},
  }
}

function result(pass: number, made: Translation, records: readonly ObjectRecord[] = []) {
  const counts = { files: 0, objects: 0, stale: 0 }
  return { pass, answers: 0, translation: made, records, diagnostics: [], counts, durationMs: 1 }
}

describe('updates', () => {
  it('count changes of the digest, and go on where a thread before ended', () => {
    const updates = new UpdateBuilder({ generation: 7, digest: 'a' as Digest })
    const generations = ['a', 'a', 'b', 'a'].map(
      (id, pass) => updates.next(result(pass, translation(id))).manifest.generation,
    )
    assert.deepEqual(generations, [7, 7, 8, 9])
  })

  it('carry the parts that the manifest before had not', () => {
    const updates = new UpdateBuilder(undefined)
    const sent = [
      ['a', 'b'],
      ['b', 'c'],
      ['a', 'b'],
    ].map((ids, pass) =>
      updates.next(result(pass, translation(...ids))).parts.map(([digest]) => digest),
    )
    assert.deepEqual(sent, [['a', 'b'], ['c'], ['a']])
  })

  it('repeat the last configuration beside a defect, and have nothing to repeat before it', () => {
    const defect: Diagnostic = { severity: 'error', code: 'internal', origin: ORIGIN, message: 'x' }
    const updates = new UpdateBuilder(undefined)
    assert.equal(updates.repeat(1, 0, defect), undefined)
    const records = [record('a')]
    const objects = new DeltaReceiver<ObjectRecord>()
    const good = updates.next(result(1, translation('a'), records))
    objects.next(good.objects)
    const repeated = updates.repeat(2, 3, defect)
    assert.ok(repeated !== undefined)
    assert.deepEqual([repeated.pass, repeated.answers, repeated.parts], [2, 3, []])
    assert.deepEqual(repeated.manifest, good.manifest)
    assert.deepEqual(repeated.diagnostics, [defect])
    assert.deepEqual(objects.next(repeated.objects), records)
  })
})

describe('deltas', () => {
  it('put any sequence of lists together again', () => {
    const sender = new DeltaSender<{ readonly v: number }>((a, b) => a.v === b.v)
    const receiver = new DeltaReceiver<{ readonly v: number }>()
    const lists: readonly (readonly (readonly [string, { v: number }])[])[] = [
      [
        ['a', { v: 1 }],
        ['b', { v: 1 }],
      ],
      [
        ['b', { v: 1 }],
        ['a', { v: 2 }],
      ],
      [
        ['b', { v: 1 }],
        ['a', { v: 3 }],
      ],
      [],
      [['a', { v: 2 }]],
    ]
    const changed = lists.map((list) => {
      const delta = sender.next(list)
      assert.deepEqual(
        receiver.next(delta),
        list.map(([, value]) => value),
      )
      return delta.changed.length
    })
    assert.deepEqual(changed, [2, 1, 1, 0, 1])
  })

  it('tell the order when it changed, and at first: a sender before may have told another', () => {
    const sender = new DeltaSender<number>()
    const orders = [[], [], ['a', 'b'], ['a', 'b'], ['b', 'a'], []].map(
      (keys) => sender.next(keys.map((key) => [key, 1] as const)).order,
    )
    assert.deepEqual(orders, [[], undefined, ['a', 'b'], undefined, ['b', 'a'], []])
  })

  it('refuse an entry that was never sent', () => {
    assert.throws(() => new DeltaReceiver().next({ order: ['a'], changed: [] }), /never sent/)
  })
})
