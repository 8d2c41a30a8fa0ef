/**
 * What a translation remembers of the one before changes nothing: each golden case
 * with each of its objects missing, one after the other, with one memory and without.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { type AnyResource, buildResourceSet, ResourceSets } from '../../src/api/resource-set.ts'
import type { Holdings } from '../../src/translate/holdings.ts'
import { DEFAULT_OPTIONS } from '../../src/translate/options.ts'
import { PassMemory } from '../../src/translate/pass-memory.ts'
import { translate } from '../../src/translate/translate.ts'
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
      let holdings: Holdings | undefined
      const check = (list: readonly AnyResource[]): void => {
        const held = holdings === undefined ? {} : { holdings }
        const options = { ...DEFAULT_OPTIONS, now: GOLDEN_NOW, ...held }
        const plain = translate(buildResourceSet(list), options)
        assert.deepEqual(translate(sets.next(list), { ...options, memory }), plain)
        holdings = plain.holdings
      }
      check(resources)
      for (const missing of resources) check(resources.filter((one) => one !== missing))
      check(resources)
    })
  }
})

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
