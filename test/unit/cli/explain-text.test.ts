/** Explanations as people read them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { explanationText } from '../../../src/cli/explain-text.ts'
import type { ExplainedAnswer, Explanation } from '../../../src/model/explanation.ts'

const NOBODY = { listed: [], more: 0 }

function text(explanation: Partial<Explanation>): string {
  return explanationText({
    addresses: ['tcp/[::]:443'],
    answer: { kind: 'forward' },
    serves: true,
    otherListeners: NOBODY,
    otherRules: NOBODY,
    ...explanation,
  })
}

describe('an explanation', () => {
  it('has a line for each fact, those of a backend below it', () => {
    const explanation: Partial<Explanation> = {
      addresses: ['tcp/[::]:443', 'tcp/[::]:443 at 192.0.2.1'],
      listener: 'Gateway/default/gw/https',
      certificates: ['default/rsa', 'default/ec'],
      clientCertificate: 'required',
      route: 'HTTPRoute/default/web',
      rule: 'main',
      match: 'a.test, prefix /x',
      filters: ['cors: any origin'],
      policies: ['request timeout 5000 ms'],
      backends: [
        {
          name: 'Service/default/app:80',
          weight: 1,
          endpoints: [
            { endpoint: '192.0.2.1:80', health: 'healthy' },
            { endpoint: '192.0.2.2:80', name: 'app.test', health: 'ejected', ejectedForMs: 1001 },
            { endpoint: 'gone.test:80', name: 'gone.test', health: 'unresolved' },
          ],
          filters: ['url-rewrite: host inner.test'],
          request: { authority: 'inner.test', target: '/x' },
          tls: 'BackendTLSPolicy/default/app, SNI app.test',
        },
        {
          name: 'Service/default/nobody:80',
          weight: 2,
          problem: 'it is not declared.',
          endpoints: [],
          filters: [],
          answer: { kind: 'reply', reason: 'invalid-backend', status: 500 },
        },
      ],
      otherListeners: { listed: [{ name: 'Gateway/default/gw/b', why: 'less specific' }], more: 3 },
      otherRules: { listed: [{ name: 'HTTPRoute/default/web/0', why: 'path differs' }], more: 0 },
    }
    assert.equal(
      text(explanation),
      `\
bind                tcp/[::]:443
bind                tcp/[::]:443 at 192.0.2.1
listener            Gateway/default/gw/https
certificate         default/rsa, default/ec
client certificate  required
route               HTTPRoute/default/web
rule                main
match               a.test, prefix /x
filter              cors: any origin
policy              request timeout 5000 ms
backend             Service/default/app:80 weight 1: 192.0.2.1:80, 192.0.2.2:80 (app.test, ejected, 2 s left), gone.test:80 (does not resolve)
  filter            url-rewrite: host inner.test
  request           /x to host inner.test
  TLS               BackendTLSPolicy/default/app, SNI app.test
backend             Service/default/nobody:80 weight 2: it is not declared.
  answer            500 Internal Server Error: invalid-backend
answer              forward

not  Gateway/default/gw/b     less specific
not  3 more listeners
not  HTTPRoute/default/web/0  path differs`,
    )
  })

  const ANSWERS: readonly (readonly [ExplainedAnswer, string])[] = [
    [{ kind: 'closed', how: 'fin', reason: 'no-chain' }, 'answer  closed: no-chain'],
    [{ kind: 'closed', how: 'reset', reason: 'no-route' }, 'answer  reset: no-route'],
    [{ kind: 'http' }, 'answer  HTTP is spoken here: ask with http:// or https://'],
    [{ kind: 'not-listening', message: 'in use' }, 'answer  not listening: in use'],
    [
      { kind: 'reply', reason: 'no-route', status: 200, grpcStatus: 12 },
      'answer  200 OK, grpc-status 12: no-route',
    ],
    [
      { kind: 'reply', reason: 'redirected', status: 302, location: 'https://b.test/' },
      'answer    302 Found: redirected\nlocation  https://b.test/',
    ],
    [
      { kind: 'reply', reason: 'preflight', status: 204, fields: ['A: b', 'C: d'] },
      'answer  204 No Content: preflight\nfield   A: b\nfield   C: d',
    ],
  ]
  for (const [answer, expected] of ANSWERS) {
    it(`says ${JSON.stringify(expected)}`, () => {
      const [bind = '', ...lines] = text({ answer }).split('\n')
      assert.match(bind, /^bind {4,6}tcp\/\[::\]:443$/)
      assert.equal(lines.join('\n'), expected)
    })
  }

  it('says whose an authority is that is not of the SNI', () => {
    const authorityListener = 'Gateway/default/gw/b'
    assert.match(text({ authorityListener }), /^authority {2}belongs to Gateway\/default\/gw\/b$/m)
  })
})
