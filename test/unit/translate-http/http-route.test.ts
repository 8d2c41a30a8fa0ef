import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { lowerHttpRoute } from '../../../src/translate/routes/http-route.ts'
import {
  contextOf,
  findings,
  httpRoute,
  type Manifest,
  service,
  slice,
  upstreamOf,
} from './fixture.ts'

const web = service('web', { ports: [{ port: 80 }] })
const webSlice = slice('web', { ports: [{ port: 8080 }], endpoints: [{ addresses: ['10.0.0.1'] }] })
const backendRefs = [{ name: 'web', port: 80 }]

function lower(rules: unknown, manifests: readonly Manifest[] = [web, webSlice]) {
  const context = contextOf([httpRoute('web', rules === undefined ? {} : { rules }), ...manifests])
  const [route] = context.resources.httpRoutes
  assert.ok(route)
  const lowered = lowerHttpRoute(context, route)
  return {
    ...lowered,
    context,
    findings: findings(context),
    actions: lowered.rules.map(({ rule }) => rule.action),
  }
}

describe('rules', () => {
  it('are lowered with name, identity and a forward action', () => {
    const { rules, context, findings, ...verdict } = lower([{ name: 'main', backendRefs }])
    const [first] = rules
    assert.deepEqual(
      { ...first?.rule, action: undefined },
      {
        id: 'HTTPRoute/default/web/0',
        route: { kind: 'HTTPRoute', namespace: 'default', name: 'web' },
        name: 'main',
        filters: [],
        timeouts: {},
        action: undefined,
      },
    )
    const action = first?.rule.action
    assert.ok(action?.kind === 'forward')
    assert.deepEqual(
      action.backends.map(({ weight, filters, target }) => [
        weight,
        filters,
        upstreamOf(context, target).name,
      ]),
      [[1, [], 'Service/default/web:80']],
    )
    assert.deepEqual(findings, [])
    assert.equal(verdict.accepted ?? verdict.partiallyInvalid ?? verdict.resolvedRefs, undefined)
  })

  it('default to one that matches everything and has no backend', () => {
    const { rules, resolvedRefs, accepted } = lower(undefined)
    assert.deepEqual(
      rules.map(({ matches, rule }) => [matches, rule.action]),
      [
        [
          [{ path: { kind: 'prefix', value: '' }, headers: [], query: [] }],
          { kind: 'fail', reason: 'no-backend' },
        ],
      ],
    )
    assert.equal(resolvedRefs ?? accepted, undefined)
  })

  it('with weights of 0 only have no backend', () => {
    const { actions } = lower([{ backendRefs: [{ name: 'web', port: 80, weight: 0 }] }])
    assert.deepEqual(actions, [{ kind: 'fail', reason: 'no-backend' }])
  })

  it('keep the good share beside a bad reference and report the first bad one', () => {
    const { actions, resolvedRefs, accepted } = lower([
      { backendRefs: [{ name: 'web', port: 80, weight: 2 }] },
      {
        backendRefs: [
          ...backendRefs,
          { name: 'web', port: 81 },
          { kind: 'Pod', name: 'x', port: 1 },
        ],
      },
    ])
    const second = actions[1]
    assert.ok(second?.kind === 'forward')
    assert.deepEqual(
      second.backends.map(({ target }) => target.kind),
      ['upstream', 'invalid', 'invalid'],
    )
    assert.equal(resolvedRefs?.reason, 'BackendNotFound')
    assert.equal(accepted, undefined)
  })
})

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

describe('timeouts', () => {
  const table: readonly (readonly [unknown, unknown])[] = [
    [{}, {}],
    [{ request: '1m30s' }, { requestMs: 90_000 }],
    [
      { request: '10s', backendRequest: '500ms' },
      { requestMs: 10_000, backendRequestMs: 500 },
    ],
    [{ request: '0s', backendRequest: '2s' }, { backendRequestMs: 2000 }],
    [{ request: '0s', backendRequest: '0s' }, {}],
  ]
  for (const [timeouts, expected] of table) {
    it(`reads ${JSON.stringify(timeouts)}`, () => {
      assert.deepEqual(lower([{ timeouts }]).rules[0]?.rule.timeouts, expected)
    })
  }
})

describe('what is not supported yet', () => {
  const mirror = { type: 'RequestMirror', requestMirror: { backendRef: { name: 'web', port: 80 } } }
  const cors = { type: 'CORS', cors: { allowOrigins: ['*'] } }
  const auth = {
    type: 'ExternalAuth',
    externalAuth: { protocol: 'HTTP', http: {}, backendRef: { name: 'web', port: 80 } },
  }
  const redirect = { type: 'RequestRedirect', requestRedirect: {} }
  const withBackendFilter = (filter: unknown) => ({
    backendRefs: [{ ...backendRefs[0], filters: [filter] }],
  })
  const unsupported: readonly (readonly [string, unknown])[] = [
    ['filters[0].type', { filters: [mirror], backendRefs }],
    ['filters[0].type', { filters: [cors], backendRefs }],
    ['filters[0].type', { filters: [auth], backendRefs }],
    ['retry', { retry: {}, backendRefs }],
    ['sessionPersistence', { sessionPersistence: {}, backendRefs }],
    ['backendRefs[0].filters[0].type', withBackendFilter(mirror)],
    ['backendRefs[0].filters[0].type', withBackendFilter(redirect)],
  ]
  for (const [place, rule] of unsupported) {
    it(`refuses a route that has nothing else: ${place} of ${JSON.stringify(rule).slice(0, 60)}`, () => {
      const { rules, accepted, partiallyInvalid, findings } = lower([rule])
      assert.deepEqual(rules, [])
      assert.equal(partiallyInvalid, undefined)
      assert.equal(accepted?.reason, 'UnsupportedValue')
      assert.ok(accepted?.message.includes(`spec.rules[0].${place}: `), accepted?.message)
      assert.ok(
        findings[0]?.startsWith(`error unsupported HTTPRoute default/web spec.rules[0].${place}: `),
        findings[0],
      )
    })
  }

  it('drops only the rules that have it and keeps the place of the others', () => {
    const { rules, accepted, partiallyInvalid, resolvedRefs } = lower([
      { filters: [cors], backendRefs: [{ name: 'absent', port: 80 }] },
      { backendRefs },
      { retry: {}, backendRefs },
    ])
    assert.deepEqual(
      rules.map(({ index, rule }) => [index, rule.id]),
      [[1, 'HTTPRoute/default/web/1']],
    )
    assert.equal(accepted, undefined)
    assert.equal(partiallyInvalid?.reason, 'UnsupportedValue')
    assert.match(
      partiallyInvalid?.message ?? '',
      /^Dropped Rule.*rules\[0\]\.filters.*rules\[2\]\.retry/,
    )
    assert.equal(resolvedRefs?.reason, 'BackendNotFound')
  })
})

describe('an ExtensionRef that does not resolve', () => {
  const extension = {
    type: 'ExtensionRef',
    extensionRef: { group: 'example.com', kind: 'Filter', name: 'x' },
  }
  const redirect = { type: 'RequestRedirect', requestRedirect: {} }

  it('fails the whole rule instead of being skipped', () => {
    for (const rule of [
      { filters: [extension], backendRefs },
      { filters: [redirect, extension] },
    ]) {
      const { actions, resolvedRefs, accepted } = lower([rule])
      assert.deepEqual(actions, [{ kind: 'fail', reason: 'filter-invalid' }])
      assert.equal(resolvedRefs?.reason, 'InvalidKind')
      assert.equal(accepted, undefined)
    }
  })

  it('fails the share of its backend only', () => {
    const { actions, resolvedRefs } = lower([
      { backendRefs: [{ ...backendRefs[0], filters: [extension] }, ...backendRefs] },
    ])
    const [action] = actions
    assert.ok(action?.kind === 'forward')
    assert.deepEqual(
      action.backends.map(({ target }) => target.kind),
      ['invalid', 'upstream'],
    )
    assert.equal(resolvedRefs?.reason, 'InvalidKind')
  })
})
