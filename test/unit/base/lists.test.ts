import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { changeOf, MappedList, sameItems, windowOf, withChange } from '../../../src/base/lists.ts'

interface Item {
  readonly rank: number
}

/** The same objects in each run, so that lists of them have some in common. */
const ITEMS: readonly Item[] = Array.from({ length: 80 }, (_, rank) => ({ rank }))
const byRank = (a: Item, b: Item): number => a.rank - b.rank
const unsorted = fc.shuffledSubarray([...ITEMS])
const sorted = unsorted.map((items) => items.toSorted(byRank))

describe('two lists', () => {
  it('are alike but for a window', () => {
    fc.assert(
      fc.property(unsorted, unsorted, (before, now) => {
        const { start, removed, inserted } = windowOf(before, now)
        const between = now.slice(start, start + inserted)
        assert.deepEqual(
          [...before.slice(0, start), ...between, ...before.slice(start + removed)],
          now,
        )
      }),
    )
  })

  it('have no window when their items are alike', () => {
    const copies = ITEMS.map((item) => ({ ...item }))
    const isSame = (a: Item, b: Item): boolean => a.rank === b.rank
    const none = { start: 80, removed: 0, inserted: 0 }
    assert.deepEqual(windowOf(ITEMS, copies, isSame), none)
    assert.deepEqual(windowOf(ITEMS, copies), { start: 0, removed: 80, inserted: 80 })
  })

  it('differ by what has gone and what has come', () => {
    fc.assert(
      fc.property(unsorted, unsorted, (before, now) => {
        const { gone, come } = changeOf(before, now)
        assert.deepEqual([...gone].sort(byRank), lacking(now, before))
        assert.deepEqual(come.toSorted(byRank), lacking(before, now))
      }),
    )
  })

  it('that are sorted lead from one to the other', () => {
    fc.assert(
      fc.property(sorted, sorted, (before, now) => {
        assert.deepEqual(withChange(before, changeOf(before, now), byRank), now)
      }),
    )
  })
})

function lacking(from: readonly Item[], all: readonly Item[]): readonly Item[] {
  return all.filter((item) => !from.includes(item)).sort(byRank)
}

describe('a mapped list', () => {
  it('is what map gives, and keeps what was made outside of the window', () => {
    fc.assert(
      fc.property(fc.array(unsorted), (states) => {
        const list = new MappedList(({ rank }: Item) => ({ twice: 2 * rank }))
        let sources: readonly Item[] = []
        let items: readonly { readonly twice: number }[] = []
        for (const now of states) {
          const { start } = windowOf(sources, now)
          const next = list.next(now)
          const expected = now.map(({ rank }) => ({ twice: 2 * rank }))
          assert.deepEqual(next, expected)
          assert.ok(sameItems(next.slice(0, start), items.slice(0, start)))
          assert.equal(list.next([...now]), next)
          sources = now
          items = next
        }
      }),
    )
  })
})
