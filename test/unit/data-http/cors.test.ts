/** CORS by the tables of the specification digest, section 4.5. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Fields } from '../../../src/data/http/fields.ts'
import { corsRequest, shareResponse } from '../../../src/data/http/filters/cors.ts'
import type { CorsFilter } from '../../../src/model/http-filter.ts'

const EVERYBODY: CorsFilter = {
  kind: 'cors',
  allowOrigins: 'any',
  allowCredentials: false,
  allowMethods: [],
  allowHeaders: [],
  exposeHeaders: [],
  maxAgeSeconds: 5,
}
const LISTED: CorsFilter = {
  ...EVERYBODY,
  allowOrigins: [
    { scheme: 'https', hostname: 'www.foo.com', port: 443 },
    { scheme: 'https', hostname: '*.bar.com', port: 443 },
    { scheme: 'http', hostname: '', port: 8080 },
  ],
}

function share(
  filter: Partial<CorsFilter>,
  request: readonly string[],
  { base = EVERYBODY, method = 'GET', upstream = [] as readonly string[] } = {},
): Record<string, string> {
  const fields = Fields.fromRaw(upstream)
  shareResponse({ ...base, ...filter }, fields, corsRequest(method, Fields.fromRaw(request)))
  return Object.fromEntries([...fields.keys()].map((key) => [key, String(fields.values(key))]))
}

const preflight = (origin: string, headers: readonly string[] = []) => [
  'Origin',
  origin,
  'Access-Control-Request-Method',
  'PUT',
  ...headers,
]
const ALLOWED = 'access-control-allow-origin'

describe('origins', () => {
  const cases: readonly (readonly [origin: string, allowed: boolean])[] = [
    ['https://www.foo.com', true],
    ['https://www.foo.com:443', true],
    ['HTTPS://WWW.FOO.COM', true],
    ['http://www.foo.com', false],
    ['https://www.foo.com:8443', false],
    ['https://foo.com', false],
    ['https://evil-www.foo.com', false],
    ['https://xpto.www.bar.com', true],
    ['https://a.bar.com', true],
    ['https://bar.com', false],
    ['https://evilbar.com', false],
    ['https://a.bar.com.evil.net', false],
    ['http://anything.test:8080', true],
    ['http://[::1]:8080', true],
    ['http://user@www.foo.com', false],
    ['https://www.foo.com/', false],
    ['https://www.foo.com, https://a.bar.com', false],
    ['null', false],
    ['', false],
  ]
  for (const [origin, allowed] of cases) {
    it(`${JSON.stringify(origin)} is ${allowed ? '' : 'not '}allowed`, () => {
      const answer = share({}, ['Origin', origin], { base: LISTED })
      assert.equal(answer[ALLOWED], allowed ? origin : undefined)
      assert.equal(answer['vary'], 'Origin')
    })
  }

  it('a lone * is every origin on any port, without a word about one', () => {
    for (const origin of ['https://a.test:9999', 'null', 'app://x']) {
      assert.deepEqual(share({}, ['Origin', origin]), { [ALLOWED]: '*' })
    }
  })

  it('a lone * with credentials echoes the origin, but never null', () => {
    const filter = { allowCredentials: true }
    assert.deepEqual(share(filter, ['Origin', 'https://a.test']), {
      vary: 'Origin',
      [ALLOWED]: 'https://a.test',
      'access-control-allow-credentials': 'true',
    })
    assert.deepEqual(share(filter, ['Origin', 'null']), { vary: 'Origin' })
  })

  it('none is allowed without a list, and none is told of without an Origin', () => {
    assert.equal(share({ allowOrigins: [] }, ['Origin', 'https://a.test'])[ALLOWED], undefined)
    assert.deepEqual(share({}, []), {})
  })
})

describe('preflights', () => {
  const options = { method: 'OPTIONS' }

  it('list methods and headers as configured, and the age', () => {
    const filter = { allowMethods: ['GET', 'PUT'], allowHeaders: ['X-A', 'X-B'], maxAgeSeconds: 60 }
    const headers = ['Access-Control-Request-Headers', 'x-b']
    assert.deepEqual(share(filter, preflight('https://a.test', headers), options), {
      [ALLOWED]: '*',
      'access-control-allow-methods': 'GET, PUT',
      'access-control-allow-headers': 'X-A, X-B',
      'access-control-max-age': '60',
    })
  })

  it('name the exposed headers as every other response does', () => {
    const filter = { exposeHeaders: ['X-C', 'X-D'] }
    const answer = share(filter, preflight('https://a.test'), options)
    assert.equal(answer['access-control-expose-headers'], 'X-C, X-D')
  })

  it('answer * with what was asked for beside credentials', () => {
    const filter = { allowMethods: ['*'], allowHeaders: ['*'], allowCredentials: true }
    const headers = ['Access-Control-Request-Headers', 'x-b, x-c']
    const answer = share(filter, preflight('https://a.test', headers), options)
    assert.equal(answer['access-control-allow-methods'], 'PUT')
    assert.equal(answer['access-control-allow-headers'], 'x-b, x-c')
  })

  it('answer * with * otherwise, and nothing about headers that were not asked for', () => {
    const filter = { allowMethods: ['*'], allowHeaders: ['*'] }
    const answer = share(filter, preflight('https://a.test'), options)
    assert.equal(answer['access-control-allow-methods'], '*')
    assert.equal(answer['access-control-allow-headers'], undefined)
  })

  it('of an origin that is not allowed get nothing', () => {
    const answer = share({ allowMethods: ['PUT'] }, preflight('https://no.test'), {
      ...options,
      base: LISTED,
    })
    assert.deepEqual(answer, { vary: 'Origin' })
  })
})

describe('responses', () => {
  const upstream = [
    ['Access-Control-Allow-Origin', 'https://up.test'],
    ['access-control-allow-credentials', 'true'],
    ['Vary', 'Accept'],
    ['X-Kept', '1'],
  ].flat()

  it('lose what the upstream said', () => {
    const answer = share({}, ['Origin', 'https://no.test'], { base: LISTED, upstream })
    assert.deepEqual(answer, { vary: 'Accept,Origin', 'x-kept': '1' })
  })

  it('name the exposed fields, * not beside credentials', () => {
    const name = 'access-control-expose-headers'
    const origin = ['Origin', 'https://a.test']
    assert.equal(share({ exposeHeaders: ['X-A', 'X-B'] }, origin)[name], 'X-A, X-B')
    assert.equal(share({ exposeHeaders: ['*'] }, origin)[name], '*')
    const credentials = { exposeHeaders: ['*', 'X-A'], allowCredentials: true }
    assert.equal(share(credentials, origin)[name], 'X-A')
  })

  it('to a GET with the fields of a preflight are ordinary ones', () => {
    const answer = share({ allowMethods: ['PUT'] }, preflight('https://a.test'))
    assert.deepEqual(answer, { [ALLOWED]: '*' })
  })
})
