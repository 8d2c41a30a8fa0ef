/** Lines written byte by byte are what JSON.stringify writes, whatever the values. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { JsonLine, lineKey } from '../../../src/observe/json-line.ts'

const TEXT = lineKey('text')
const INTEGER = lineKey('integer')
const TENTHS = lineKey('tenths')
const TRUTH = lineKey('tr"uth')

const absent = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })

describe('a line of JSON', () => {
  it('is what JSON.stringify makes of its fields', () => {
    const line = new JsonLine()
    fc.assert(
      fc.property(
        absent(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.lorem())),
        absent(fc.maxSafeInteger()),
        absent(fc.double({ min: 0, max: 1e12, noNaN: true })),
        absent(fc.boolean()),
        (text, integer, ms, truth) => {
          const tenths = ms === undefined ? undefined : Math.round(ms * 10) / 10
          line.begin()
          line.text(TEXT, text)
          line.integer(INTEGER, integer)
          line.tenths(TENTHS, ms)
          line.truth(TRUTH, truth)
          const expected = { text, integer, tenths: tenths === 0 ? 0 : tenths, 'tr"uth': truth }
          assert.equal(line.end().toString(), `${JSON.stringify(expected)}\n`)
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('writes fields again as they were', () => {
    const line = new JsonLine()
    const write = (again?: Uint8Array): Uint8Array => {
      line.begin()
      line.text(TEXT, 'first')
      const { length } = line
      if (again !== undefined) line.again(again)
      else {
        line.truth(TRUTH, true)
        line.text(TEXT, 'x'.repeat(3000))
      }
      return line.since(length)
    }
    const fields = write()
    const text = line.end().toString()
    line.begin()
    line.text(TEXT, 'something else'.repeat(300))
    write(fields)
    assert.equal(line.end().toString(), text)
  })

  it('grows with what it holds and begins anew', () => {
    const line = new JsonLine()
    for (const length of [0, 1, 2047, 2048, 10_000, 3]) {
      for (const unit of ['x', '\n', '\u{1f600}']) {
        const text = unit.repeat(length)
        line.begin()
        line.text(TEXT, text)
        line.text(TEXT, 'end')
        assert.equal(line.end().toString(), `{"text":${JSON.stringify(text)},"text":"end"}\n`)
      }
    }
  })
})
