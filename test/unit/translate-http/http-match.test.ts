import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { lower } from './route-fixture.ts'

describe('matches', () => {
  const matchOf = (match: unknown) => lower([{ matches: [match] }]).rules[0]?.matches[0]

  const paths: readonly (readonly [unknown, unknown])[] = [
    [{}, { kind: 'prefix', value: '' }],
    [{ value: '/' }, { kind: 'prefix', value: '' }],
    [{ value: '/a/b' }, { kind: 'prefix', value: '/a/b' }],
    [
      { type: 'PathPrefix', value: '/a/' },
      { kind: 'prefix', value: '/a' },
    ],
    [
      { type: 'Exact', value: '/a/' },
      { kind: 'exact', value: '/a/' },
    ],
    [{ type: 'Exact' }, { kind: 'exact', value: '/' }],
    [{ value: '/%61/%7e%c3%a9/' }, { kind: 'prefix', value: '/a/~%C3%A9' }],
    [
      { type: 'Exact', value: '/%41' },
      { kind: 'exact', value: '/A' },
    ],
    [
      { type: 'RegularExpression', value: '/a+' },
      { kind: 'regex', value: '/a+' },
    ],
  ]
  for (const [path, expected] of paths) {
    it(`read the path ${JSON.stringify(path)}`, () => {
      assert.deepEqual(matchOf({ path })?.path, expected)
    })
  }

  it('keep the method', () => assert.equal(matchOf({ method: 'PUT' })?.method, 'PUT'))

  it('compare header names without case; only the first of equivalent names counts', () => {
    const headers = [
      { name: 'X-One', value: 'a' },
      { name: 'x-ONE', value: 'b' },
      { name: 'two', type: 'RegularExpression', value: 'c.*' },
    ]
    assert.deepEqual(matchOf({ headers })?.headers, [
      { name: 'x-one', kind: 'exact', value: 'a' },
      { name: 'two', kind: 'regex', value: 'c.*' },
    ])
  })

  it('compare query names with case', () => {
    const queryParams = [
      { name: 'A', value: '1' },
      { name: 'a', type: 'RegularExpression', value: '2|3' },
    ]
    assert.deepEqual(matchOf({ queryParams })?.query, [
      { name: 'A', kind: 'exact', value: '1' },
      { name: 'a', kind: 'regex', value: '2|3' },
    ])
  })

  it('are everything when the list is empty', () => {
    assert.deepEqual(lower([{ matches: [] }]).rules[0]?.matches, [
      { path: { kind: 'prefix', value: '' }, headers: [], query: [] },
    ])
  })

  for (const value of ['/a%5Cb', '/%2e%2e/a', '/a/%2E', '/%ff', '/a/..;x']) {
    it(`refuse ${value}, which no request may have`, () => {
      for (const type of ['Exact', 'PathPrefix']) {
        const { accepted, rules } = lower([{ matches: [{ path: { type, value } }] }])
        assert.deepEqual(rules, [])
        assert.match(accepted?.message ?? '', /spec\.rules\[0\]\.matches\[0\]\.path\.value: /)
      }
    })
  }

  const badRegex = { type: 'RegularExpression', value: '(?=a)' }
  const faults: Readonly<Record<string, unknown>> = {
    'path.value': { path: badRegex },
    'headers[0].value': { headers: [{ name: 'a', ...badRegex }] },
    'queryParams[0].value': { queryParams: [{ name: 'a', ...badRegex }] },
  }
  for (const [place, match] of Object.entries(faults)) {
    it(`refuse what is no expression of RE2 in ${place}`, () => {
      const { accepted, findings, rules } = lower([{ matches: [match] }])
      assert.deepEqual(rules, [])
      assert.equal(accepted?.reason, 'UnsupportedValue')
      assert.ok(accepted?.message.includes(`spec.rules[0].matches[0].${place}: `))
      assert.ok(findings[0]?.includes(` spec.rules[0].matches[0].${place}: `))
    })
  }
})
