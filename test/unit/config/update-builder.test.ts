import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Digest } from '../../../src/base/brand.ts'
import { DeltaReceiver, DeltaSender } from '../../../src/control/delta.ts'
import { UpdateBuilder } from '../../../src/control/update-builder.ts'
import type { ObjectRecord } from '../../../src/ipc/messages.ts'
import type { Diagnostic } from '../../../src/model/diagnostic.ts'
import type { ResourceKey } from '../../../src/model/resource-key.ts'
import type { Part } from '../../../src/model/snapshot.ts'
import { NO_HOLDINGS } from '../../../src/translate/holdings.ts'
import type { Translation } from '../../../src/translate/translate.ts'

const ORIGIN = { file: 'x.yaml', line: 1, column: 1 }

function translation(...digests: readonly string[]): Translation {
  const ids = digests as readonly Digest[]
  const part: Part = { kind: 'upstream', name: 'u', protocol: 'tcp', endpoints: [] }
  return {
    manifest: { digest: ids.join() as Digest, binds: ids },
    parts: new Map(ids.map((id) => [id, part])),
    change: { come: [], gone: [] },
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
    object: '{}',
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
  interface Item {
    readonly key: ResourceKey
    readonly v: number
  }
  const item = (name: string, v: number): Item => ({
    key: { group: '', kind: 'Thing', namespace: '', name },
    v,
  })
  const isSame = (a: Item, b: Item): boolean => a.v === b.v

  it('put any sequence of lists together again', () => {
    const list = fc.uniqueArray(
      fc.record({ name: fc.constantFrom(...'abcdefgh'), v: fc.nat({ max: 2 }) }),
      { selector: ({ name }) => name },
    )
    fc.assert(
      fc.property(fc.array(list), (lists) => {
        const sender = new DeltaSender<Item>(isSame)
        const receiver = new DeltaReceiver<Item>()
        for (const entries of lists) {
          const items = entries.map(({ name, v }) => item(name, v))
          assert.deepEqual(receiver.next(sender.next(items)), items)
        }
      }),
    )
  })

  it('tell what changed, and all at first: a sender before may have told something else', () => {
    const sender = new DeltaSender<Item>(isSame)
    const [a, b, c] = [item('a', 1), item('b', 1), item('c', 1)]
    const edit = { kind: 'edit', start: 0, removed: 0, inserted: [], changed: [] }
    assert.deepEqual(sender.next([a, b, c]), { kind: 'whole', items: [a, b, c] })
    assert.deepEqual(sender.next([a, { ...b }, c]), { ...edit, start: 2 })
    const b2 = item('b', 2)
    assert.deepEqual(sender.next([a, b2, c]), { ...edit, start: 2, changed: [[1, b2]] })
    assert.deepEqual(sender.next([a, c]), { ...edit, start: 1, removed: 1 })
    assert.deepEqual(sender.next([a, b, c]), { ...edit, start: 1, inserted: [b] })
    assert.deepEqual(sender.repeat(), edit)
  })

  it('refuse what is about entries that were never sent', () => {
    const edit = { kind: 'edit', start: 0, removed: 0, inserted: [], changed: [] } as const
    assert.throws(() => new DeltaReceiver().next({ ...edit, removed: 1 }), /never sent/)
    assert.throws(() => new DeltaReceiver().next({ ...edit, changed: [[0, 1]] }), /never sent/)
  })
})
