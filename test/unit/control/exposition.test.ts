import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Gauge, Registry } from 'prom-client'
import { Family, inTurns, madeOnce } from '../../../src/control/admin/exposition.ts'

describe('a family of many series', () => {
  it('is what the library makes of the same series', async () => {
    const label = fc.string({ unit: fc.constantFrom('a', 'b', '"', '\\', '\n', 'é', ' ') })
    const items = fc.uniqueArray(
      fc.record({ name: label, more: fc.array(fc.tuple(label, fc.double({ noNaN: true }))) }),
      { selector: ({ name }) => name },
    )
    await fc.assert(
      fc.asyncProperty(label, items, async (help, all) => {
        const register = new Registry()
        const gauge = new Gauge({
          name: 'many',
          help: `${help}.`,
          labelNames: ['name', 'more'],
          registers: [register],
        })
        const family = new Family('many', `${help}.`)
        for (const { name, more } of all) {
          const series = more.map(([text, value]) => [{ name, more: text }, value] as const)
          for (const [labels, value] of series) gauge.set(labels, value)
          family.addItem(series)
        }
        assert.deepEqual(linesOf(`${family.text}\n`), linesOf(await register.metrics()))
      }),
    )
  })

  it('names what has no number as Prometheus does', () => {
    const family = new Family('many', '')
    family.addItem([Infinity, -Infinity, -0, 1e21].map((value, i) => [{ i: `${i}` }, value]))
    const values = family.text.split('\n').slice(2)
    assert.deepEqual(
      values.map((line) => line.split(' ')[1]),
      ['+Inf', '-Inf', '0', '1e+21'],
    )
  })

  it('is written with the loop turning in between', async () => {
    let turns = 0
    let isDone = false
    const others = (async () => {
      while (!isDone) {
        turns += 1
        await setImmediate()
      }
    })()
    const seen: number[] = []
    await inTurns(Array(1000).keys(), (item) => seen.push(item))
    isDone = true
    await others
    assert.deepEqual(seen, [...Array(1000).keys()])
    assert.ok(turns >= 10, `${turns} turns`)
  })

  it('is made once of one source', () => {
    let made = 0
    const make = madeOnce((_: object) => ++made)
    const [a, b] = [{}, {}]
    assert.deepEqual([make(a), make(a), make(b), make(a)], [1, 1, 2, 3])
  })
})

/** Samples in any order: the library sorts none either, but its labels are hashed. */
function linesOf(text: string): readonly string[] {
  return text.split('\n').sort()
}
