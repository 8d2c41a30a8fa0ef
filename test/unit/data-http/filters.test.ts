/** The tables of the specification digest, section 4.2. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseAuthority } from '../../../src/data/http/authority.ts'
import { redirectLocation } from '../../../src/data/http/filters/redirect.ts'
import { rewriteTarget } from '../../../src/data/http/filters/rewrite-path.ts'
import type { RedirectFilter } from '../../../src/model/http-filter.ts'

describe('replacing a path prefix', () => {
  const cases: readonly (readonly [
    target: string,
    prefix: string,
    value: string,
    result: string,
  ])[] = [
    ['/foo/bar', '/foo', '/xyz', '/xyz/bar'],
    ['/foo/bar', '/foo/', '/xyz', '/xyz/bar'],
    ['/foo/bar', '/foo', '/xyz/', '/xyz/bar'],
    ['/foo/bar', '/foo/', '/xyz/', '/xyz/bar'],
    ['/foo', '/foo', '/xyz', '/xyz'],
    ['/foo/', '/foo', '/xyz', '/xyz/'],
    ['/foo/bar', '/foo', '', '/bar'],
    ['/foo/bar', '/foo', '/', '/bar'],
    ['/foo', '/foo', '', '/'],
    ['/foo/', '/foo', '', '/'],
    ['/foo', '/foo', '/', '/'],
    ['/foo/', '/foo', '/', '/'],
    ['/foo//bar', '/foo', '/', '/bar'],
    ['/foo/bar?q=/foo', '/foo', '/xyz', '/xyz/bar?q=/foo'],
    ['/f%6fo/%62ar', '/foo', '/xyz', '/xyz/%62ar'],
    ['/any/thing', '', '/xyz', '/xyz/any/thing'],
    ['/', '', '/xyz', '/xyz/'],
    ['/a/b/c', '/a/b', '/x', '/x/c'],
  ]
  for (const [target, prefix, value, result] of cases) {
    it(`${target}: ${prefix || '/'} to ${value || 'nothing'} is ${result}`, () => {
      assert.equal(rewriteTarget({ kind: 'prefix', prefix, value }, target), result)
    })
  }

  it('a full path keeps the query', () => {
    assert.equal(rewriteTarget({ kind: 'full', value: '/x' }, '/a/b?q'), '/x?q')
  })
})

describe('redirects', () => {
  const location = (
    redirect: Omit<RedirectFilter, 'kind' | 'statusCode'>,
    scheme: 'http' | 'https' = 'http',
    listenerPort = 80,
  ) => {
    const authority = parseAuthority('example.org:8080')
    assert.ok(authority)
    return redirectLocation(
      { kind: 'request-redirect', statusCode: 302, ...redirect },
      { head: { scheme, authority, target: '/foo/bar?q=1' }, listenerPort },
    )
  }

  it('take scheme, host and port from request and listener', () => {
    assert.equal(location({}), 'http://example.org/foo/bar?q=1')
    assert.equal(location({}, 'http', 8080), 'http://example.org:8080/foo/bar?q=1')
    assert.equal(location({}, 'https', 443), 'https://example.org/foo/bar?q=1')
    assert.equal(location({ hostname: 'x.org' }, 'http', 81), 'http://x.org:81/foo/bar?q=1')
    assert.equal(location({ scheme: 'https' }, 'http', 8080), 'https://example.org/foo/bar?q=1')
    assert.equal(location({ scheme: 'http' }, 'https', 443), 'http://example.org/foo/bar?q=1')
    assert.equal(location({ scheme: 'https', port: 8443 }), 'https://example.org:8443/foo/bar?q=1')
    assert.equal(location({ port: 80 }, 'http', 8080), 'http://example.org/foo/bar?q=1')
    assert.equal(location({ port: 443 }, 'http', 80), 'http://example.org:443/foo/bar?q=1')
    assert.equal(location({ scheme: 'https', port: 443 }), 'https://example.org/foo/bar?q=1')
  })

  it('replace paths and keep the query', () => {
    assert.equal(location({ path: { kind: 'full', value: '/x' } }), 'http://example.org/x?q=1')
    assert.equal(
      location({ path: { kind: 'prefix', prefix: '/foo', value: '/' } }),
      'http://example.org/bar?q=1',
    )
  })
})
