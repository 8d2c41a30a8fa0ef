import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseAllDocuments } from 'yaml'
import { findSpot, parseText, splitDocuments } from '../../../src/config/documents.ts'

describe('splitting', () => {
  it('finds documents and the lines at which they start', () => {
    const text =
      '# head\n\na: 1\n---\n---\n# only a comment\n---\nb: 2\n...\n%YAML 1.2\n---\nc: 3\n'
    assert.deepEqual(
      splitDocuments(text).map(({ line, text: part }) => [line, part]),
      [
        [1, '# head\n\na: 1\n'],
        [7, '---\nb: 2\n...\n'],
        [10, '%YAML 1.2\n---\nc: 3\n'],
      ],
    )
  })

  it('leaves markers within lines and block scalars alone', () => {
    const text = 'a: |\n  ---\n  x\nb: "--- "\nc: a---\n----: x\n'
    assert.equal(splitDocuments(text).length, 1)
  })

  it('takes Windows line ends', () => {
    assert.deepEqual(
      splitDocuments('a: 1\r\n---\r\nb: 2\r\n').map(({ line }) => line),
      [1, 2],
    )
  })

  it('gives the documents that the yaml library gives', () => {
    const piece = fc.constantFrom('a: 1', '---', '...', '# c', '', 'b:\n  - x', 'c: |\n  ---\n  y')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = `${pieces.join('\n')}\n`
        const all = parseAllDocuments(text, { logLevel: 'silent' })
        const whole = Array.isArray(all) ? all : []
        if (whole.some(({ errors }) => errors.length > 0)) return
        const ours = splitDocuments(text).map((document) => parseText(document.text))
        const expected = whole.map((document): unknown => document.toJS()).filter((v) => v !== null)
        assert.deepEqual(
          ours.flatMap((parsed) => (parsed.kind === 'value' ? [parsed.value] : [])),
          expected,
        )
      }),
      { numRuns: 300 },
    )
  })
})

describe('values', () => {
  function value(text: string): unknown {
    const parsed = parseText(text)
    return parsed.kind === 'value' ? parsed.value : parsed
  }

  it('are those of YAML 1.2', () => {
    assert.deepEqual(value('a: NO\nb: 12:30\nc: 0o17\nd: 2026-01-01\ne: 1e3'), {
      a: 'NO',
      b: '12:30',
      c: 15,
      d: '2026-01-01',
      e: 1000,
    })
  })

  it('merge with <<, own fields first', () => {
    assert.deepEqual(value('a: &a {x: 1, y: 1}\nb: {<<: *a, y: 2}'), {
      a: { x: 1, y: 1 },
      b: { x: 1, y: 2 },
    })
  })

  it('keep __proto__ as a plain key', () => {
    const parsed = value('__proto__: {polluted: 1}') as object
    assert.ok(Object.hasOwn(parsed, '__proto__'))
    assert.equal('polluted' in parsed, false)
    assert.equal('polluted' in {}, false)
  })

  it('have string keys only', () => {
    assert.deepEqual(value('80: a\ntrue: b'), { 80: 'a', true: 'b' })
    assert.equal(parseText('? [a]\n: 1').kind, 'broken')
  })

  it('are refused with tags, unknown anchors and syntax errors, at their place', () => {
    const places = [
      ...['a: 1\nb: !x 2', 'a: 1\nb: *x', 'a: 1\n\tb: 2', 'a: 1\na: 2'],
      ...['- {x: {y: 1, y: 2}}', '{"a": 1, a: 2}'],
    ].map((text) => {
      const parsed = parseText(text)
      return parsed.kind === 'broken' ? `${parsed.spot.line}:${parsed.spot.column}` : parsed.kind
    })
    assert.deepEqual(places, ['2:4', '2:4', '2:1', '2:1', '1:14', '1:10'])
  })

  it('never appear in a syntax error', () => {
    const key = 'MIIEvQIBADANBgkqh'
    const broken = [`a: b\n${key}`, `- a\n${key}: x`, `a: [x]${key}`, `"a" "${key}"`]
    for (const text of broken) {
      const parsed = parseText(text)
      assert.equal(parsed.kind, 'broken', text)
      if (parsed.kind === 'broken') assert.doesNotMatch(parsed.message, /MIIE/)
    }
  })
})

describe('hostile texts', () => {
  it('take time in proportion to their length', () => {
    const texts = [
      `a: b${' '.repeat(400_000)}c`,
      `a: ${'1'.repeat(400_000)}x`,
      `\u00e9: 1\n${Array.from({ length: 20_000 }, (_, i) => `k${i}: v`).join('\n')}`,
    ]
    for (const text of texts) {
      const before = process.cpuUsage()
      assert.equal(parseText(text).kind, 'value')
      // Of CPU: others may have the machine meanwhile.
      const { user, system } = process.cpuUsage(before)
      assert.ok(user + system < 4_000_000, text.slice(0, 20))
    }
  })

  it('are broken rather than a stack that overflows', () => {
    for (const text of ['['.repeat(50_000), '- '.repeat(50_000)]) {
      const deep = parseText(text)
      assert.equal(deep.kind === 'broken' && deep.message, 'nested too deeply')
    }
    // More than a call can have arguments.
    const items = '- \u00e9\n'.repeat(140_000)
    assert.equal(parseText(`z: *none\na:\n${items}`).kind, 'broken')
  })
})

describe('places', () => {
  const text = 'a: 1\nb:\n  - x: yes\n    "y z": no\n  -\nc: &c {d: 4}\ne: *c\n'

  function place(path: readonly (string | number)[], what?: 'key'): string {
    const { line, column } = findSpot(text, path, what)
    return `${line}:${column}`
  }

  it('are those of values, keys, and the nearest parent of what is missing', () => {
    assert.equal(place(['a']), '1:4')
    assert.equal(place(['a'], 'key'), '1:1')
    assert.equal(place(['b', 0, 'y z']), '4:12')
    assert.equal(place(['b', 0, 'y z'], 'key'), '4:5')
    assert.equal(place(['b', 0, 'missing', 'deep']), '3:5')
    assert.equal(place(['b', 7]), '3:3')
    assert.equal(place(['nowhere']), '1:1')
    assert.equal(place(['e', 'd']), '6:11')
  })
})
