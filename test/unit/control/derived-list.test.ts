/** Lists made item by item: as if made anew, for less. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { DerivedList } from '../../../src/control/derived-list.ts'
import { keyText, type ResourceKey } from '../../../src/model/resource-key.ts'

const sources = [...'abcdefgh'].flatMap((name) =>
  [1, 2].map((version) => ({ key: { group: '', kind: 'Thing', namespace: '', name }, version })),
)
const lists = fc.array(
  fc.uniqueArray(fc.constantFrom(...sources), { selector: ({ key }) => key.name }),
)

describe('a derived list', () => {
  it('has for each source what was made of it, whatever the lists before', () => {
    fc.assert(
      fc.property(lists, (all) => {
        const derived = new DerivedList<(typeof sources)[number], { readonly of: unknown }>()
        let before = new Set<string>()
        for (const list of all) {
          const gone = derived.next(list, { make: (source) => ({ of: source }) })
          assert.deepEqual(
            derived.items.map(({ of }) => of),
            list,
          )
          const keys = new Set(list.map(({ key }) => keyText(key)))
          assert.deepEqual(
            gone.map(keyText).sort(),
            [...before].filter((key) => !keys.has(key)).sort(),
          )
          before = keys
        }
      }),
    )
  })

  it('makes those alone that changed, knowing what was made before, and those that are named', () => {
    const derived = new DerivedList<(typeof sources)[number], string>()
    const [a, a2, b, , c, , d] = sources
    assert.ok(a && a2 && b && c && d)
    const made: [name: string, before: string | undefined][] = []
    const make = ({ key, version }: typeof a, before: string | undefined): string => {
      made.push([key.name, before])
      return `${key.name}${version}`
    }
    const madeOf = (list: (typeof a)[], again: ResourceKey[] = []): typeof made => {
      made.length = 0
      derived.next(list, { make, again })
      return [...made]
    }
    assert.deepEqual(madeOf([a, b, c]).length, 3)
    assert.deepEqual(madeOf([a, b, c]), [])
    assert.deepEqual(madeOf([a2, b, c]), [['a', 'a1']])
    assert.deepEqual(madeOf([a2, d, b, c]), [['d', undefined]])
    assert.deepEqual(madeOf([a2, b, c]), [])
    assert.deepEqual(madeOf([c, b, a2]), [])
    assert.deepEqual(madeOf([c, b, a2], [b.key]), [['b', 'b1']])
    assert.deepEqual(derived.items, ['c1', 'b1', 'a2'])
  })
})
