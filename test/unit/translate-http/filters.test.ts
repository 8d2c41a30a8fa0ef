import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { lowerHttpRoute } from '../../../src/translate/routes/http-route.ts'
import { contextOf, httpRoute, service } from './fixture.ts'

const web = service('web', { ports: [{ port: 80 }] })

/** One rule with one filter behind one match. */
function lower(
  filter: unknown,
  path: unknown = { value: '/foo/' },
  place: 'rule' | 'backend' = 'rule',
) {
  const backend = { name: 'web', port: 80, ...(place === 'backend' ? { filters: [filter] } : {}) }
  const rule = {
    matches: [{ path }],
    ...(place === 'rule' ? { filters: [filter] } : {}),
    ...(place === 'rule' && isRedirect(filter) ? {} : { backendRefs: [backend] }),
  }
  const context = contextOf([web, httpRoute('web', { rules: [rule] })])
  const [route] = context.resources.httpRoutes
  assert.ok(route)
  const lowered = lowerHttpRoute(context, route)
  return { rule: lowered.rules[0]?.rule, accepted: lowered.accepted }
}

/** Of a rule: it answers by itself and has no backends. */
function isRedirect(filter: unknown): boolean {
  return JSON.stringify(filter).includes('"RequestRedirect"')
}

const requestHeaders = (requestHeaderModifier: unknown) => ({
  type: 'RequestHeaderModifier',
  requestHeaderModifier,
})
const responseHeaders = (responseHeaderModifier: unknown) => ({
  type: 'ResponseHeaderModifier',
  responseHeaderModifier,
})
const redirect = (requestRedirect: unknown) => ({ type: 'RequestRedirect', requestRedirect })
const rewrite = (urlRewrite: unknown) => ({ type: 'URLRewrite', urlRewrite })
const full = (replaceFullPath: string) => ({ type: 'ReplaceFullPath', replaceFullPath })
const prefix = (replacePrefixMatch: string) => ({ type: 'ReplacePrefixMatch', replacePrefixMatch })

describe('header modifiers', () => {
  const modifier = {
    set: [
      { name: 'X-Set', value: 'a' },
      { name: 'x-set', value: 'b' },
    ],
    add: [{ name: 'X-Add', value: 'c, d' }],
    remove: ['X-Gone', 'x-gone'],
  }
  const expected = {
    set: [{ name: 'x-set', value: 'a' }],
    add: [{ name: 'x-add', value: 'c, d' }],
    remove: ['x-gone'],
  }

  it('are lowered with lower-case names, the first of equivalent ones', () => {
    assert.deepEqual(lower(requestHeaders(modifier)).rule?.filters, [
      { kind: 'request-header-modifier', ...expected },
    ])
    assert.deepEqual(lower(responseHeaders(modifier)).rule?.filters, [
      { kind: 'response-header-modifier', ...expected },
    ])
  })

  it('stand at the backend when they are given there', () => {
    const { rule } = lower(requestHeaders({ remove: ['a'] }), undefined, 'backend')
    assert.deepEqual(rule?.filters, [])
    assert.ok(rule?.action.kind === 'forward')
    assert.deepEqual(rule.action.backends[0]?.filters, [
      { kind: 'request-header-modifier', set: [], add: [], remove: ['a'] },
    ])
  })

  const refused: readonly (readonly [string, unknown])[] = [
    ['set[0].name', { set: [{ name: 'Host', value: 'a' }] }],
    ['add[0].name', { add: [{ name: 'Transfer-Encoding', value: 'chunked' }] }],
    ['set[0].name', { set: [{ name: 'Content-Length', value: '0' }] }],
    ['remove[1]', { remove: ['a', 'CONNECTION'] }],
    ['remove[0]', { remove: ['a: b'] }],
    ['remove[0]', { remove: ['a\r\nb'] }],
    ['remove[0]', { remove: [''] }],
  ]
  for (const [place, bad] of refused) {
    it(`refuse ${JSON.stringify(bad)}`, () => {
      const { rule, accepted } = lower(requestHeaders(bad))
      assert.equal(rule, undefined)
      assert.ok(
        accepted?.message.includes(`spec.rules[0].filters[0].requestHeaderModifier.${place}: `),
        accepted?.message,
      )
    })
  }
})

describe('RequestRedirect', () => {
  it('makes the action and defaults to 302', () => {
    assert.deepEqual(lower(redirect({})).rule?.action, {
      kind: 'redirect',
      redirect: { kind: 'request-redirect', statusCode: 302 },
    })
  })

  for (const statusCode of [301, 302, 303, 307, 308]) {
    it(`keeps every field, with status ${statusCode}`, () => {
      const fields = { scheme: 'https', hostname: 'example.org', port: 8443, statusCode }
      assert.deepEqual(lower(redirect({ ...fields, path: full('/x') })).rule?.action, {
        kind: 'redirect',
        redirect: { kind: 'request-redirect', ...fields, path: { kind: 'full', value: '/x' } },
      })
    })
  }
})

describe('RequestRedirect of a backendRef', () => {
  it('answers for the share of its backend', () => {
    const { rule, accepted } = lower(redirect({ path: prefix('/x') }), undefined, 'backend')
    assert.equal(accepted, undefined)
    assert.ok(rule?.action.kind === 'forward')
    assert.deepEqual(rule.action.backends[0]?.filters, [
      {
        kind: 'request-redirect',
        statusCode: 302,
        path: { kind: 'prefix', prefix: '/foo', value: '/x' },
      },
    ])
  })
})

describe('path replacements', () => {
  const table: readonly (readonly [string, unknown, unknown, unknown])[] = [
    ['a full path', full('/x/y%20z'), '/foo', { kind: 'full', value: '/x/y%20z' }],
    ['an empty full path', full(''), '/foo', { kind: 'full', value: '/' }],
    ['a prefix', prefix('/xyz'), '/foo', { kind: 'prefix', prefix: '/foo', value: '/xyz' }],
    [
      'trailing slashes',
      prefix('/xyz/'),
      '/foo/',
      { kind: 'prefix', prefix: '/foo', value: '/xyz' },
    ],
    ['a prefix removed by /', prefix('/'), '/foo', { kind: 'prefix', prefix: '/foo', value: '' }],
    ['a prefix removed by ""', prefix(''), '/foo', { kind: 'prefix', prefix: '/foo', value: '' }],
    ['a prefix put in front', prefix('/xyz'), '/', { kind: 'prefix', prefix: '', value: '/xyz' }],
  ]
  for (const [what, path, match, expected] of table) {
    it(`lowers ${what}`, () => {
      assert.deepEqual(lower(rewrite({ path }), { value: match }).rule?.filters, [
        { kind: 'url-rewrite', path: expected },
      ])
      const { rule } = lower(redirect({ path }), { value: match })
      assert.ok(rule?.action.kind === 'redirect')
      assert.deepEqual(rule.action.redirect.path, expected)
    })
  }

  it('work at the backend with the prefix of its rule', () => {
    const { rule } = lower(
      rewrite({ hostname: 'up.example', path: prefix('/x') }),
      undefined,
      'backend',
    )
    assert.ok(rule?.action.kind === 'forward')
    assert.deepEqual(rule.action.backends[0]?.filters, [
      {
        kind: 'url-rewrite',
        hostname: 'up.example',
        path: { kind: 'prefix', prefix: '/foo', value: '/x' },
      },
    ])
  })

  const refused = ['x', '@evil.example', '/a b', '/a\r\nb', '/a?b', '/a#b', '/%zz', '/ä', '/a\\b']
  for (const value of refused) {
    it(`refuse ${JSON.stringify(value)}`, () => {
      for (const filter of [
        rewrite({ path: full(value) }),
        rewrite({ path: prefix(value) }),
        redirect({ path: full(value) }),
        redirect({ path: prefix(value) }),
      ]) {
        const { rule, accepted } = lower(filter)
        assert.equal(rule, undefined)
        assert.match(accepted?.message ?? '', /filters\[0\]\.\w+\.path\.replace\w+: /)
      }
    })
  }
})

describe('URLRewrite', () => {
  it('may change the hostname alone', () => {
    assert.deepEqual(lower(rewrite({ hostname: 'up.example' })).rule?.filters, [
      { kind: 'url-rewrite', hostname: 'up.example' },
    ])
  })
})
