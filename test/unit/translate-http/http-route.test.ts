import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { upstreamOf } from './fixture.ts'
import { backendRefs, lower } from './route-fixture.ts'

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

describe('retries', () => {
  const table: readonly (readonly [unknown, unknown])[] = [
    [{}, { codes: [], attempts: 1, backoffMs: 25 }],
    [
      { codes: [503, 500], attempts: 3, backoff: '1s500ms' },
      { codes: [500, 503], attempts: 3, backoffMs: 1500 },
    ],
  ]
  for (const [retry, expected] of table) {
    it(`reads ${JSON.stringify(retry)}`, () => {
      const { rules, accepted } = lower([{ retry, backendRefs }])
      assert.equal(accepted, undefined)
      assert.deepEqual(rules[0]?.rule.retry, expected)
    })
  }
})

describe('what is not supported yet', () => {
  const ENDED = { absoluteTimeout: '0s' }
  const auth = {
    type: 'ExternalAuth',
    externalAuth: {
      protocol: 'HTTP',
      http: {},
      backendRef: { name: 'web', port: 80 },
      forwardBody: { maxSize: -1 },
    },
  }
  const size = 'externalAuth.forwardBody.maxSize'
  const withBackendFilter = (filter: unknown) => ({
    backendRefs: [{ ...backendRefs[0], filters: [filter] }],
  })
  const unsupported: readonly (readonly [string, unknown])[] = [
    [`filters[0].${size}`, { filters: [auth], backendRefs }],
    ['sessionPersistence.absoluteTimeout', { sessionPersistence: ENDED, backendRefs }],
    [`backendRefs[0].filters[0].${size}`, withBackendFilter(auth)],
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

  it('drops only the rules that have it: what they match fails instead of falling through', () => {
    const { rules, actions, accepted, partiallyInvalid, resolvedRefs } = lower([
      { filters: [auth], matches: [{ path: { value: '/admin' } }], backendRefs },
      { backendRefs },
      { sessionPersistence: ENDED, backendRefs: [{ name: 'absent', port: 80 }] },
    ])
    assert.deepEqual(
      rules.map(({ index, rule, matches }) => [index, rule.id, matches[0]?.path.value]),
      [
        [0, 'HTTPRoute/default/web/0', '/admin'],
        [1, 'HTTPRoute/default/web/1', ''],
        [2, 'HTTPRoute/default/web/2', ''],
      ],
    )
    const failure = { kind: 'fail', reason: 'filter-invalid' }
    assert.deepEqual([actions[0], actions[1]?.kind, actions[2]], [failure, 'forward', failure])
    assert.equal(accepted, undefined)
    assert.equal(partiallyInvalid?.reason, 'UnsupportedValue')
    assert.match(
      partiallyInvalid?.message ?? '',
      /^Dropped Rule: spec\.rules\[0\]\.filters.* spec\.rules\[2\]\.sessionPersistence/,
    )
    assert.equal(resolvedRefs?.reason, 'BackendNotFound')
  })

  it('drops a rule with a bad match and keeps the place of its sound matches', () => {
    const matches = [{ method: 'GET' }, { path: { type: 'RegularExpression', value: '(' } }]
    const { rules, partiallyInvalid } = lower([{ matches, backendRefs }, { backendRefs }])
    assert.deepEqual(
      rules[0]?.matches.map(({ method }) => method),
      ['GET'],
    )
    assert.equal(rules[0]?.rule.action.kind, 'fail')
    assert.match(partiallyInvalid?.message ?? '', /rules\[0\]\.matches\[1\]\.path\.value/)
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
