/** Filters, policies and backends of the rule that wins, and what the client gets. */
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import type { Explained, LiveState } from '../../../src/model/explanation.ts'
import { explainedOf, explainOne, gateway, route, service } from './explained.ts'

const to = (more = '') => `backendRefs: [{name: app, port: 80${more}}]`
const rule = (path: string, more: string) => `{matches: [{path: {value: ${path}}}], ${more}}`
const headers = (kind: string) =>
  `{type: ${kind}, ${kind[0]?.toLowerCase()}${kind.slice(1)}: {set: [{name: X-Key, value: hunter2}], remove: [x-old]}}`
const auth = (name: string, protocol = 'HTTP') =>
  `{type: ExternalAuth, externalAuth: {protocol: ${protocol}, backendRef: {name: ${name}, port: 80}, ${protocol.toLowerCase()}: {}}}`
const CORS =
  '{type: CORS, cors: {allowOrigins: ["https://ok.test"], allowMethods: [PUT], allowCredentials: true}}'

const RULES = [
  rule('/headers', `filters: [${headers('RequestHeaderModifier')}], ${to()}`),
  rule(
    '/secret',
    `filters: [${headers('ResponseHeaderModifier')}], ${to(`, filters: [${headers('RequestHeaderModifier')}]`)}`,
  ),
  rule(
    '/rewrite',
    `filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}}],
     ${to(', filters: [{type: URLRewrite, urlRewrite: {hostname: inner.test}}]')}`,
  ),
  rule(
    '/moved',
    `filters: [{type: RequestRedirect, requestRedirect: {scheme: https, port: 8443, statusCode: 308, path: {type: ReplaceFullPath, replaceFullPath: /here}}}]`,
  ),
  rule(
    '/half-moved',
    `backendRefs: [{name: app, port: 80, filters: [{type: RequestRedirect, requestRedirect: {hostname: new.test}}]}, {name: app, port: 80, weight: 3}]`,
  ),
  rule('/cors', `filters: [${CORS}], ${to()}`),
  rule(
    '/mirror',
    `filters: [{type: RequestMirror, requestMirror: {backendRef: {name: empty, port: 80}, percent: 10}}], ${to()}`,
  ),
  rule('/auth', `filters: [${auth('app', 'GRPC')}], ${to()}`),
  rule('/auth-gone', `filters: [${auth('empty')}], ${to()}`),
  rule('/weights', 'backendRefs: [{name: app, port: 80, weight: 0}, {name: nobody, port: 80}]'),
  rule('/empty', 'backendRefs: [{name: empty, port: 80}]'),
  rule('/name', 'backendRefs: [{name: named, port: 80}]'),
  rule('/none', 'backendRefs: []'),
  rule(
    '/policies',
    `timeouts: {request: 5s, backendRequest: 1s}, retry: {codes: [503], attempts: 2, backoff: 10ms},
     sessionPersistence: {type: Header, sessionName: X-Session, absoluteTimeout: 1s}, ${to()}`,
  ),
]

const EMPTY = `
---
apiVersion: v1
kind: Service
metadata: {name: empty}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: empty, labels: {kubernetes.io/service-name: empty}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: []
---
apiVersion: v1
kind: Service
metadata: {name: named}
spec: {type: ExternalName, externalName: app.example}
`

/** At most sixteen rules fit into one route. */
const YAML = `${gateway('{name: http, port: 80, protocol: HTTP}')}
  ${route('HTTPRoute', 'r', `rules: [${RULES.join(', ')}]`)}${service('app')}${EMPTY}`

describe('the winning rule', () => {
  let files: Explained
  before(async () => {
    files = await explainedOf(YAML)
  })

  const ask = (path: string, request = {}) => explainOne(files, `http://a.test:80${path}`, request)

  it('shows its filters and those of its backends, without a value', async () => {
    const { filters, backends } = await ask('/secret/hunter3')
    assert.deepEqual(filters, ['response-header-modifier: sets x-key; removes x-old'])
    assert.deepEqual(backends?.[0]?.filters, ['request-header-modifier: sets x-key; removes x-old'])
    for (const path of ['/headers', '/secret']) {
      assert.doesNotMatch(JSON.stringify(await ask(path)), /hunter/)
    }
  })

  it('shows what the backend is sent', async () => {
    const { filters, backends } = await ask('/rewrite/x?y=1')
    assert.deepEqual(filters, ['url-rewrite: prefix /rewrite to /new'])
    assert.deepEqual(backends?.[0]?.request, { authority: 'inner.test', target: '/new/x?y=1' })
    assert.equal((await ask('/headers')).backends?.[0]?.request, undefined)
  })

  it('shows where a redirect leads', async () => {
    const { answer, serves } = await ask('/moved/x?y=1')
    const location = 'https://a.test:8443/here?y=1'
    assert.deepEqual(answer, { kind: 'reply', reason: 'redirected', status: 308, location })
    assert.equal(serves, true)
    const half = await ask('/half-moved')
    assert.deepEqual(half.answer, { kind: 'forward' })
    assert.deepEqual(
      half.backends?.map(({ weight, answer: own }) => [weight, own]),
      [
        [
          1,
          {
            kind: 'reply',
            reason: 'redirected',
            status: 302,
            location: 'http://new.test/half-moved',
          },
        ],
        [3, undefined],
      ],
    )
  })

  it('answers preflights, and says what other requests are told', async () => {
    const preflight = (origin: string) =>
      ask('/cors', {
        method: 'OPTIONS',
        headers: [`Origin: ${origin}`, 'Access-Control-Request-Method: PUT'],
      })
    const allowed = await preflight('https://ok.test')
    assert.deepEqual(allowed.answer, {
      kind: 'reply',
      reason: 'preflight',
      status: 204,
      fields: [
        'Access-Control-Allow-Origin: https://ok.test',
        'Access-Control-Allow-Credentials: true',
        'Access-Control-Allow-Methods: PUT',
        'Access-Control-Max-Age: 5',
      ],
    })
    const refused = await preflight('https://evil.test')
    assert.deepEqual(refused.answer, { kind: 'reply', reason: 'preflight', status: 204 })
    assert.deepEqual(refused.policies, ['cors: https://evil.test may not read the answer'])
    assert.deepEqual(allowed.policies, [])
    const plain = await ask('/cors', { headers: ['Origin: https://evil.test'] })
    assert.deepEqual(plain.answer, { kind: 'forward' })
    assert.deepEqual(plain.policies, ['cors: https://evil.test may not read the answer'])
    const options = await ask('/headers', { method: 'OPTIONS' })
    assert.deepEqual(options.answer, { kind: 'forward' })
  })

  it('shows mirrors, services that must allow, timeouts, retries, sessions', async () => {
    assert.deepEqual((await ask('/mirror')).filters, [
      'request-mirror: 10 of 100 to Service/default/empty:80',
    ])
    const asked = await ask('/auth')
    assert.deepEqual(asked.filters, [
      'external-auth: Service/default/app:80 must allow it, asked over gRPC',
    ])
    assert.equal(asked.serves, true)
    const { answer } = await ask('/auth-gone')
    assert.deepEqual(answer, { kind: 'reply', reason: 'auth-failed', status: 403 })
    assert.deepEqual((await ask('/policies')).policies, [
      'request timeout 5000 ms',
      'backend timeout 1000 ms',
      '2 retries of 503, 10 ms apart',
      'session by header x-session, for 1000 ms, before the weights',
    ])
  })

  it('is refused as the data plane refuses it', async () => {
    const reply = (reason: string, status: number) => ({ kind: 'reply', reason, status })
    const weights = await ask('/weights')
    assert.deepEqual(weights.answer, reply('invalid-backend', 500))
    assert.match(String(weights.backends?.[1]?.problem), /not declared/)
    assert.deepEqual((await ask('/empty')).answer, reply('no-endpoint', 503))
    assert.deepEqual((await ask('/none')).answer, reply('no-backend', 500))
    assert.deepEqual((await ask('/a/../b')).answer, reply('ambiguous-path', 400))
    assert.deepEqual((await ask('/', { method: 'TRACE' })).answer, reply('method-not-allowed', 405))
    assert.deepEqual((await ask('/', { headers: ['x: \u0001'] })).answer, reply('bad-request', 400))
    assert.deepEqual((await ask('/')).answer, reply('no-route', 404))
  })
})

describe('a running daemon', () => {
  const ask = async (path: string, live: Partial<LiveState>) => {
    const state = {
      bindError: () => undefined,
      addresses: () => undefined,
      ejectedForMs: () => 0,
      ...live,
    }
    return await explainOne(await explainedOf(YAML, state), `http://a.test${path}`)
  }

  it('knows addresses and health', async () => {
    const ejectedForMs = (upstream: string, endpoint: string) =>
      upstream === 'Service/default/named:80' && endpoint === '192.0.2.2:80' ? 1500 : 0
    const addresses = () => ['192.0.2.1', '192.0.2.2']
    const { backends } = await ask('/name', { addresses, ejectedForMs })
    assert.deepEqual(backends?.[0]?.endpoints, [
      { endpoint: '192.0.2.1:80', name: 'app.example', health: 'healthy' },
      { endpoint: '192.0.2.2:80', name: 'app.example', health: 'ejected', ejectedForMs: 1500 },
    ])
  })

  it('knows names that have no addresses, and waits for its first answer', async () => {
    const lost = await ask('/name', { addresses: () => [] })
    assert.deepEqual(lost.answer, { kind: 'reply', reason: 'name-unresolved', status: 503 })
    assert.equal(lost.backends?.[0]?.endpoints[0]?.health, 'unresolved')
    const early = await ask('/name', {})
    assert.deepEqual(early.answer, { kind: 'forward' })
    assert.deepEqual(early.backends?.[0]?.endpoints, [
      { endpoint: 'app.example:80', name: 'app.example' },
    ])
  })
})
