import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { findSpot, parseWithLibrary, startSpot } from '../../../src/config/documents.ts'
import { readPlainYaml } from '../../../src/config/plain-yaml.ts'

const ROUTE = `# A route as people write it.
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: site   # the name
  labels: {team: web, "no": quoted}
spec:
  parentRefs:
  - name: web
    sectionName: https
  hostnames: ["*.example.com", 'www.example.org']
  rules:
    - matches:
        - path: {type: PathPrefix, value: "/"}
          headers: []
      timeouts: {request: 10s}
      backendRefs:
        -   name: app
            port: 8080
            weight: 1
    -
      backendRefs:
      - {name: other, port: 80, weight: 0}
  empty:
`.replace('"no": quoted', 'no: text')

/** Scalars and one-line collections at the edges of the grammar. */
const VALUES = String.raw`a · b c · a-b · -a · -1 · +1 · 01 · 1.0 · 1e3 · .5 · 5. · 0x1f · 0o7 · 0b1
· .inf · -.inf · .nan · 1_000 · 12:30 · 2026-01-01 · 9007199254740993 · -0 · _ · . · ~ · ~a · a~ · null
· Null · nULL · true · True · yes · on · << · = · / · $(x) · ^a$ · (x) · a#b · #b · a   #b · a:b · a: · :a
· a: b · a :b · http://x:80/y · a, b · a] · a} · a[b · "x" · "x · "x"y · "a\nb" · 'x' · 'it''s' · 'x'y
· '' · "" · 'a' 'b' · a"b · a'b · [a] · [a,b] · [ a ] · [a, ] · [,] · [] · [a: b] · [{a: b}] · [a]b
· [a] b · [a #b] · ["a" ] · {} · { } · {a: b} · {a:b} · {a} · {a: } · {"a": b} · {a: b, a: c}
· {a: [b, {c: d}]} · {a: -1} · {a: b:c} · {a: b-} · {a: - b} · {a: ~} · {<<: {a: b}} · {a: b}}
· {a: {b: c} · *x · &x · !t a · | · >- · %x · @x · ? a · ?a · ! · - a · - - a · - a: b · - · --- · ...
· --- a · __proto__ · {__proto__: a}`.split(/\s· /)

/** What the library makes of it; the plain reader must give the same or nothing. */
function agrees(text: string): boolean {
  const plain = readPlainYaml(text)
  if (plain === undefined) return false
  const library = parseWithLibrary(text)
  const expected = library.kind === 'empty' ? { kind: 'value', value: null } : library
  assert.deepEqual({ kind: 'value', value: plain.value }, expected, text)
  return true
}

describe('the plain YAML reader', () => {
  it('reads manifests as people write them', () => assert.ok(agrees(ROUTE)))

  it('reads what the library writes', () => {
    const scalar = fc.oneof(
      fc.constantFrom(
        'a',
        '/x',
        '10s',
        '10.0.0.1',
        'true',
        '0',
        'a b',
        'a: b',
        '',
        'x#y',
        '-',
        '*',
      ),
      fc.integer({ min: 0, max: 70_000 }),
      fc.boolean(),
      fc.constant(null),
    )
    const keys = ['name', 'spec', 'tls.crt', 'a/b', 'on', 'k']
    // Not a dictionary of so few keys: it would draw a tree for each key that it has already.
    const mapping = (value: fc.Arbitrary<unknown>) =>
      fc.record(Object.fromEntries(keys.map((key) => [key, value])), { requiredKeys: [] })
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 3 },
        scalar,
        fc.array(tie('tree'), { maxLength: 4 }),
        mapping(tie('tree')),
      ),
    }))
    const document = mapping(tree).filter((value) => Object.keys(value).length > 0)
    let plain = 0
    fc.assert(
      fc.property(document, fc.boolean(), (value, indentSeq) => {
        if (agrees(stringify(value, { indentSeq }))) plain += 1
      }),
      { numRuns: 500 },
    )
    assert.ok(plain > 70, `only ${plain} of 500 were plain`)
  })

  it('leaves to the library what it does not know, and errors', () => {
    const others = [
      ...[
        'a: &x 1',
        'a: *x',
        'a: !x 1',
        '? a\n: b',
        'a: |\n  x',
        'a: >\n  x',
        '<<: {a: b}',
        '%YAML 1.2',
      ],
      ...[
        'a: b\n  c',
        'a: "b\n  c"',
        'a: [b,\n  c]',
        'a: b: c',
        'a: 1\na: 2',
        'a: "\\n"',
        'a: [b, ]',
      ],
      ...[
        'a: 0x1f',
        'a: 0o17',
        'a: 1.5',
        'a: -1',
        'a: 01',
        'a: 1e3',
        'a: .inf',
        'a: 12345678901234567',
      ],
      ...[
        '\ta: b',
        'a: \u00e9',
        'a: b\r\n',
        'a: b\n...',
        '---\na: b\n---\n',
        '  a: b\n c: d',
        '"a": b',
      ],
      ...[
        '__proto__: {a: b}',
        'a: @b',
        'a: {b: c}}',
        'a: [b] c',
        "a: 'b",
        '- - a',
        'text',
        '',
        '# only',
      ],
    ]
    for (const text of others) assert.equal(readPlainYaml(text), undefined, text)
  })

  it('agrees with the library on single values of every form', () => {
    for (const value of VALUES) {
      for (const text of [`a: ${value}`, `- ${value}`, `a: [${value}]`, `a: {b: ${value}}`]) {
        for (const tail of ['', ' ', ' #c', '#c', '\n  b', '\nc: d', '\n- e']) agrees(text + tail)
      }
    }
  })

  it('agrees with the library on lines put together at random', () => {
    const line = fc.record({
      indent: fc.constantFrom('', '', '  ', '  ', '    ', ' '),
      dash: fc.constantFrom('', '', '', '- ', '-   '),
      key: fc.constantFrom('a: ', 'b: ', 'c: ', 'd:', 'e:', 'a/b.c: ', '<<: ', 'x y: ', ''),
      value: fc.constantFrom('', '', '', ...VALUES),
      tail: fc.constantFrom('', '', '', ' ', ' #c'),
    })
    let plain = 0
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 5 }), (lines) => {
        const text = lines.map(({ indent, dash, key, value, tail }) =>
          [indent, dash, key, value, tail].join(''),
        )
        if (agrees(text.join('\n'))) plain += 1
      }),
      { numRuns: 20_000 },
    )
    assert.ok(plain > 200, `only ${plain} of 20000 were plain`)
  })

  it('agrees with the library wherever both read a mutated manifest', () => {
    const tokens = [
      '\n',
      ' ',
      '  ',
      '- ',
      '-',
      '#',
      ' #',
      ': ',
      ':',
      '{',
      '}',
      '[',
      ']',
      ',',
      '"',
      "'",
      '~',
    ]
    const edit = fc.record({
      at: fc.nat(ROUTE.length),
      cut: fc.nat(6),
      insert: fc.constantFrom('', ...tokens, 'null', 'a: ', 'b:\n', '\n-', '\n\n'),
    })
    let plain = 0
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
        let text = ROUTE
        for (const { at, cut, insert } of edits)
          text = text.slice(0, at) + insert + text.slice(at + cut)
        if (agrees(text)) plain += 1
      }),
      { numRuns: 3000 },
    )
    assert.ok(plain > 300, `only ${plain} of 3000 were plain`)
  })
})

describe('the start of a document', () => {
  it('is found without a parse', () => {
    for (const text of [
      ROUTE,
      'a: 1',
      '\n\n  - a',
      '--- {a: b}',
      '%YAML 1.2\n---\na: 1',
      '# c\n# d\n--- \na',
    ]) {
      assert.deepEqual(startSpot(text), findSpot(text, []), text)
    }
  })
})
