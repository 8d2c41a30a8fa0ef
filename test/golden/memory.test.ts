/**
 * What a translation remembers of the one before changes nothing: each golden case
 * with each of its objects missing, one after the other, with one memory and without.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type AnyResource, buildResourceSet, ResourceSets } from '../../src/api/resource-set.ts'
import type { Digest } from '../../src/base/brand.ts'
import { compareText } from '../../src/base/byte-order.ts'
import type { Part } from '../../src/model/snapshot.ts'
import type { Holdings } from '../../src/translate/holdings.ts'
import { DEFAULT_OPTIONS } from '../../src/translate/options.ts'
import { PassMemory } from '../../src/translate/pass-memory.ts'
import { type Translation, translate } from '../../src/translate/translate.ts'
import { GOLDEN_NOW, loadTexts, splitText, withCertificates } from './load.ts'

const CASES = join(import.meta.dirname, 'cases')
const names = readdirSync(CASES).filter((name) => name.endsWith('.in.yaml'))

describe('a memory', () => {
  for (const name of names) {
    it(`changes nothing in ${name.replace('.in.yaml', '').replaceAll('-', ' ')}`, async () => {
      const input = readFileSync(join(CASES, name), 'utf8')
      const resources = loadTexts(splitText(await withCertificates(input)))
      const memory = new PassMemory()
      const sets = new ResourceSets()
      const follower = new Follower()
      let holdings: Holdings | undefined
      const check = (list: readonly AnyResource[]): void => {
        const held = holdings === undefined ? {} : { holdings }
        const options = { ...DEFAULT_OPTIONS, now: GOLDEN_NOW, ...held }
        const plain = translate(buildResourceSet(list), options)
        const remembering = translate(sets.next(list), { ...options, memory })
        assert.deepEqual(withoutChange(remembering), withoutChange(plain))
        follower.follow(remembering)
        holdings = plain.holdings
      }
      check(resources)
      for (const missing of resources) check(resources.filter((one) => one !== missing))
      check(resources)
    })
  }
})

describe('random edits with a memory', () => {
  for (const name of names.filter((one) => /route/.test(one))) {
    it(`give what a translation gives alone: ${name.replace('.in.yaml', '')}`, async () => {
      const input = readFileSync(join(CASES, name), 'utf8')
      const resources = loadTexts(splitText(await withCertificates(input)))
      const isRoute = ({ key }: AnyResource): boolean => key.kind.endsWith('Route')
      const routes = resources.filter(isRoute)
      const others = resources.filter((one) => !isRoute(one))
      // Of each route: missing, as it was, or another version (1 to 2) with hostnames of its own.
      const version = fc.option(fc.nat({ max: 2 }), { freq: 4 })
      const step = fc.tuple(...routes.map(() => version))
      fc.assert(
        fc.property(fc.array(step, { minLength: 2, maxLength: 6 }), (steps) => {
          const memory = new PassMemory()
          const sets = new ResourceSets()
          const follower = new Follower()
          const versions = routes.map((route) => [route, edited(route, 1), edited(route, 2)])
          for (const chosen of steps) {
            const present = versions.flatMap((own, index) => own[chosen[index] ?? Number.NaN] ?? [])
            const list = [...others, ...present]
            const options = { ...DEFAULT_OPTIONS, now: GOLDEN_NOW }
            const plain = translate(buildResourceSet(list), options)
            const remembering = translate(sets.next(list), { ...options, memory })
            assert.deepEqual(withoutChange(remembering), withoutChange(plain))
            follower.follow(remembering)
          }
        }),
        { numRuns: 20 },
      )
    })
  }
})

/** Keys have no order. */
function withoutChange({ change: _, keys, ...rest }: Translation): Omit<Translation, 'change'> {
  return { ...rest, keys: keys.toSorted((a, b) => compareText(a.keyId, b.keyId)) }
}

/** Has the parts by what each translation says of their change. */
class Follower {
  #from: Translation['parts'] | undefined
  #held = new Map<Digest, Part>()

  follow({ parts, change }: Translation): void {
    if (this.#from !== parts) {
      assert.deepEqual(new Map(change.come), parts)
      assert.deepEqual(change.gone, [])
      this.#held = new Map()
    }
    this.#from = parts
    for (const [digest, part] of change.gone) {
      assert.deepEqual(this.#held.get(digest), part)
      this.#held.delete(digest)
    }
    for (const [digest, part] of change.come) {
      assert.ok(!this.#held.has(digest))
      this.#held.set(digest, part)
    }
    assert.deepEqual(this.#held, parts)
  }
}

function edited(route: AnyResource, version: number): AnyResource {
  const { object } = route
  const spec = 'spec' in object ? { ...object.spec } : {}
  if ('hostnames' in spec) {
    Object.assign(spec, { hostnames: [`v${version}.example.com`, '*.example.com'] })
  }
  return { ...route, generation: version + 1, object: { ...object, spec } } as AnyResource
}

describe('a route that is remembered', () => {
  it('is not made again until something that is no route changes', async () => {
    const input = readFileSync(join(CASES, 'https-and-http-with-httproute.in.yaml'), 'utf8')
    const resources = loadTexts(splitText(await withCertificates(input)))
    const route = resources.find(({ key }) => key.kind.endsWith('Route'))
    const other = resources.find(({ key }) => !key.kind.endsWith('Route'))
    assert.ok(route !== undefined && other !== undefined)
    const memory = new PassMemory()
    const statusIn = (list: readonly AnyResource[]) =>
      translate(buildResourceSet(list), {
        ...DEFAULT_OPTIONS,
        now: GOLDEN_NOW,
        memory,
      }).statuses.find(({ key }) => key === route.key)
    const first = statusIn(resources)
    assert.ok(first !== undefined)
    assert.equal(statusIn(resources), first)
    const changed = resources.map((one) => (one === other ? { ...other } : one)) as AnyResource[]
    assert.notEqual(statusIn(changed), first)
  })
})
