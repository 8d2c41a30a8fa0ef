import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { type Linked, LinkedList } from '../../../src/base/linked-list.ts'

class Item implements Linked<Item> {
  linkedIn: unknown = undefined
  linkedNext: Item | undefined = undefined
  linkedPrevious: Item | undefined = undefined
}

it('a linked list does as a Set, and what has left it holds nothing', () => {
  const step = fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 9 }))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const items = Array.from({ length: 10 }, () => new Item())
      const list = new LinkedList<Item>()
      const other = new LinkedList<Item>()
      const set = new Set<Item>()
      for (const [adds, index] of steps) {
        const item = items[index] as Item
        if (!adds) assert.equal(list.delete(item), set.delete(item))
        else if (!set.has(item)) {
          list.add(item)
          set.add(item)
        }
        assert.equal(other.delete(item), false)
        assert.equal(list.size, set.size)
        assert.equal(list.first, [...set][0])
        assert.deepEqual(list.toArray(), [...set])
        for (const one of items) {
          if (!set.has(one)) assert.deepEqual({ ...one }, { ...new Item() })
        }
      }
    }),
  )
})
