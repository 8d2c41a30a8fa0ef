import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { type Listed, StreamTable } from '../../../src/data/http/h2/stream-table.ts'

interface Stream extends Listed<Stream> {
  readonly id: number
}

it('a table of streams does as a Map', () => {
  const step = fc.tuple(fc.constantFrom('add', 'delete', 'get'), fc.integer({ min: 0, max: 200 }))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const table = new StreamTable<Stream>()
      const map = new Map<number, Stream>()
      for (const [what, number] of steps) {
        const id = 2 * number + 1
        if (what === 'get') assert.equal(table.get(id), map.get(id))
        else if (what === 'delete') assert.equal(table.delete(id), map.delete(id))
        else if (!map.has(id)) {
          const stream: Stream = { id, listedNext: undefined }
          table.add(stream)
          map.set(id, stream)
        }
        assert.equal(table.size, map.size)
      }
      const seen = new Set<Stream>()
      table.forEach((stream) => {
        seen.add(stream)
      })
      assert.deepEqual(seen, new Set(map.values()))
      for (const id of map.keys()) table.delete(id)
      assert.equal(table.size, 0)
    }),
  )
})
