/** Which rule wins, and why the others lose. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Digest } from '../../../src/base/brand.ts'
import type { KeptPart } from '../../../src/model/snapshot.ts'
import { explainOne, explainedOf, gateway, route, service } from './explained.ts'

const HTTP = '{name: http, port: 80, protocol: HTTP}'
const to = 'backendRefs: [{name: app, port: 80}]'

describe('rules', () => {
  it('lose by the first criterion that differs, once each, the nearest first', async () => {
    const explained = await explainedOf(`${gateway(HTTP)}
      ${route(
        'HTTPRoute',
        'r',
        `rules:
    - {matches: [{path: {value: /far}}, {path: {value: /x}, method: POST}], ${to}}
    - {matches: [{path: {value: /x}, headers: [{name: X-Team, value: red}]}], ${to}}
    - {matches: [{path: {value: /x}, queryParams: [{name: q, value: "1"}]}], ${to}}
    - {matches: [{path: {value: /}}], ${to}}
    - {name: win, matches: [{path: {value: /x}}, {path: {value: /z}}], ${to}}`,
      )}
      ${route('HTTPRoute', 'other', `hostnames: [b.test]\n  rules: [{${to}}]`)}${service('app')}`)
    const { rule, match, otherRules } = await explainOne(explained, 'http://a.test/x')
    assert.deepEqual([rule, match], ['win', 'any host, prefix /x'])
    assert.deepEqual(
      otherRules.listed.map(({ name, why }) => [name.replace('HTTPRoute/default/', ''), why]),
      [
        ['r/3 (any host, prefix /)', 'matches too, but ranks lower'],
        ['r/0 (any host, prefix /x, method POST)', 'method differs'],
        ['r/1 (any host, prefix /x, header x-team)', 'header x-team differs'],
        ['r/2 (any host, prefix /x, query q)', 'query q differs'],
        ['other/0 (b.test, prefix /)', 'host differs'],
      ],
    )
  })

  it('of GRPCRoutes lose by theirs, and come first for gRPC alone', async () => {
    const explained = await explainedOf(`${gateway(HTTP)}
      ${route(
        'GRPCRoute',
        'g',
        `hostnames: [a.test]
  rules:
    - {matches: [{method: {service: s.One, method: Get}}], ${to}}
    - {matches: [{method: {service: s.One}}], ${to}}
    - {matches: [{method: {service: s.Two}}], ${to}}
    - {matches: [{method: {service: s.One, method: Put}}], ${to}}
    - {matches: [{method: {service: s.One}, headers: [{name: x, value: "1"}]}], ${to}}`,
      )}
      ${route('HTTPRoute', 'h', `hostnames: ["*.test"]\n  rules: [{${to}}]`)}${service('app')}`)
    const call = { method: 'POST', headers: ['content-type: application/grpc+proto'] }
    const won = await explainOne(explained, 'http://a.test/s.One/Get', call)
    assert.deepEqual(
      [won.route, won.match],
      ['GRPCRoute/default/g', 'a.test, service s.One, method Get'],
    )
    assert.deepEqual(
      won.otherRules.listed.map(({ name, why }) => [name.slice(0, 21), why]),
      [
        ['GRPCRoute/default/g/1', 'matches too, but ranks lower'],
        ['HTTPRoute/default/h/0', 'matches too, but GRPCRoutes come first'],
        ['GRPCRoute/default/g/4', 'header x differs'],
        ['GRPCRoute/default/g/3', 'method differs'],
        ['GRPCRoute/default/g/2', 'service differs'],
      ],
    )
    const plain = await explainOne(explained, 'http://a.test/s.One/Get', { method: 'POST' })
    assert.equal(plain.route, 'HTTPRoute/default/h')
    assert.ok(
      plain.otherRules.listed.every(({ why }) => why === 'content-type is not application/grpc'),
    )
    const none = await explainOne(explained, 'http://no.example/s.One/Get', call)
    assert.deepEqual(none.answer, {
      kind: 'reply',
      reason: 'no-route',
      status: 200,
      grpcStatus: 12,
    })
  })

  it('are listed to the twentieth; the others are counted', async () => {
    const rules = Array.from(
      { length: 16 },
      (_, i) => `{matches: [{path: {value: /p${i}}}], ${to}}`,
    )
    const routes = ['a', 'b'].map((name) =>
      route('HTTPRoute', name, `rules: [${rules.join(', ')}]`),
    )
    const explained = await explainedOf(`${gateway(HTTP)}${routes.join('')}${service('app')}`)
    const { otherRules } = await explainOne(explained, 'http://a.test/p3/x')
    assert.deepEqual([otherRules.listed.length, otherRules.more], [20, 11])
    assert.equal(otherRules.listed[0]?.why, 'matches too, but ranks lower')
  })

  it('are many, and the event loop has its turns', async () => {
    const small = await explainedOf(
      `${gateway(HTTP)}${route('HTTPRoute', 'r', `rules: [{${to}}]`)}${service('app')}`,
    )
    const parts = new Map(
      [...small.parts].map(([digest, part]): [Digest, KeptPart] => {
        if (part.kind !== 'http-host') return [digest, part]
        const [rule] = part.rules
        assert.ok(rule !== undefined)
        const rules = Array.from({ length: 5000 }, (_, i) => ({ ...rule, id: `${rule.id}${i}` }))
        const matches = rules.map((_, i) => ({
          path: { kind: 'regex', value: `/number/${i}(/.*)?` } as const,
          headers: [],
          query: [],
          rule: i,
        }))
        return [digest, { ...part, rules, matches }]
      }),
    )
    let turns = 0
    let timer = setImmediate(function turn() {
      turns += 1
      timer = setImmediate(turn)
    })
    const { rule, otherRules } = await explainOne(
      { ...small, parts },
      'http://a.test/number/1234/x',
    )
    clearImmediate(timer)
    assert.match(String(rule), /1234$/)
    assert.equal(otherRules.more, 5000 - 1 - 20)
    assert.ok(turns > 5, `${turns} turns`)
  })
})

describe('listeners', () => {
  const tls = (name: string, hostname: string, protocol = 'HTTPS', port = 443) =>
    `{name: ${name}, port: ${port}, protocol: ${protocol}, hostname: "${hostname}", tls: {certificateRefs: [{name: cert}]}}`
  const secret = `
---
apiVersion: v1
kind: Secret
metadata: {name: cert}
type: kubernetes.io/tls
data: {tls.crt: "{{cert a.test}}", tls.key: "{{key a.test}}"}
`
  const SEVERAL = `${gateway([tls('a', 'a.test'), tls('wild', '*.test'), tls('b', 'b.test')].join(', '))}
    ${route('HTTPRoute', 'r', `rules: [{${to}}]`)}${service('app')}${secret}`

  it('lose by their names', async () => {
    const { listener, certificates, otherListeners } = await explainOne(
      await explainedOf(SEVERAL),
      'https://a.test',
    )
    assert.deepEqual([listener, certificates], ['Gateway/default/gw/a', ['default/cert']])
    assert.deepEqual(otherListeners.listed, [
      { name: 'Gateway/default/gw/wild (*.test)', why: 'less specific' },
      { name: 'Gateway/default/gw/b (b.test)', why: 'does not match the name' },
    ])
  })

  it('an authority of another one is misdirected, and that one is named', async () => {
    const explained = await explainedOf(SEVERAL)
    const headers = ['Host: b.test']
    const { listener, authorityListener, answer, otherRules, serves } = await explainOne(
      explained,
      'https://a.test',
      { headers },
    )
    assert.deepEqual(
      [listener, authorityListener],
      ['Gateway/default/gw/a', 'Gateway/default/gw/b'],
    )
    assert.deepEqual(answer, { kind: 'reply', reason: 'misdirected', status: 421 })
    assert.deepEqual([serves, otherRules], [false, { listed: [], more: 0 }])
    // The tables of the bind decide, not the spelling.
    const same = await explainOne(explained, 'https://a.test', { headers: ['Host: A.TEST:443'] })
    assert.equal(same.serves, true)
  })
})
