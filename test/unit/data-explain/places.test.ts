/** Which of several addresses answers, and what each of them says. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { explainRequest } from '../../../src/data/explain/explain.ts'
import type { Explained, ExplainRequest } from '../../../src/model/explanation.ts'
import { explainedOf, explainOne, gateway, route, service } from './explained.ts'

const HTTP = '{name: http, port: 80, protocol: HTTP}'
const at = (...list: readonly string[]) =>
  `addresses: [${list.map((value) => `{value: "${value}"}`).join(', ')}]`
const forward = 'rules: [{backendRefs: [{name: app, port: 80}]}]'

const answers = async (explained: Explained, request: ExplainRequest) =>
  (await explainRequest(request, explained)).explanations.map(({ addresses, listener }) => [
    listener,
    ...addresses,
  ])

describe('addresses of a port', () => {
  const OWN = `${gateway(HTTP, at('192.0.2.1', '192.0.2.2'), 'one')}---${gateway(HTTP, at('2001:db8:0::1'), 'two')}
    ${route('HTTPRoute', 'one', forward, 'one')}${route('HTTPRoute', 'two', forward, 'two')}${service('app')}`

  it('each different answer is told, with every address that gives it', async () => {
    const explained = await explainedOf(OWN)
    assert.deepEqual(await answers(explained, { url: 'http://a.test' }), [
      ['Gateway/default/one/http', 'tcp/192.0.2.1:80', 'tcp/192.0.2.2:80'],
      ['Gateway/default/two/http', 'tcp/[2001:db8::1]:80'],
    ])
  })

  it('the address is the one that is named, or the host of the URL', async () => {
    const explained = await explainedOf(OWN)
    for (const request of [
      { url: 'http://a.test', address: '2001:DB8::0:1' },
      { url: 'http://[2001:db8:0:0::1]/' },
    ]) {
      const two = [['Gateway/default/two/http', 'tcp/[2001:db8::1]:80']]
      assert.deepEqual(await answers(explained, request), two)
    }
    const one = [['Gateway/default/one/http', 'tcp/192.0.2.2:80']]
    const mapped = { url: 'http://a.test', address: '::ffff:192.0.2.2' }
    assert.deepEqual(await answers(explained, mapped), one)
    assert.deepEqual(await explainRequest({ url: 'http://192.0.2.9' }, explained), {
      explanations: [],
      elsewhere: ['tcp/192.0.2.1:80', 'tcp/192.0.2.2:80', 'tcp/[2001:db8::1]:80'],
    })
    assert.deepEqual(await answers(explained, { url: 'http://a.test:81' }), [])
    assert.deepEqual(await answers(explained, { url: 'udp://a.test:80' }), [])
  })

  it('a wildcard socket serves own addresses by their own tables', async () => {
    const explained = await explainedOf(
      `${gateway(HTTP, '', 'wide')}---${gateway(HTTP, at('192.0.2.1'), 'own')}
       ${route('HTTPRoute', 'wide', forward, 'wide')}${route('HTTPRoute', 'own', forward, 'own')}${service('app')}`,
    )
    const [[, socket = ''] = []] = await answers(explained, {
      url: 'http://a.test',
      address: '192.0.2.9',
    })
    assert.match(socket, /^tcp\/(\[::\]|0\.0\.0\.0):80$/)
    assert.deepEqual((await answers(explained, { url: 'http://a.test' })).sort(), [
      ['Gateway/default/own/http', `${socket} at 192.0.2.1`],
      ['Gateway/default/wide/http', socket],
    ])
    assert.deepEqual(await answers(explained, { url: 'http://192.0.2.1' }), [
      ['Gateway/default/own/http', `${socket} at 192.0.2.1`],
    ])
  })

  it('0.0.0.0 has no IPv6 address', async () => {
    const explained = await explainedOf(
      `${gateway(HTTP, at('0.0.0.0'))}${route('HTTPRoute', 'r', forward)}${service('app')}`,
    )
    assert.equal((await answers(explained, { url: 'http://192.0.2.1' })).length, 1)
    assert.equal((await answers(explained, { url: 'http://[2001:db8::1]' })).length, 0)
  })

  it('a socket that is not open answers nobody', async () => {
    const live = {
      bindError: (key: string) => (key === 'tcp/192.0.2.2:80' ? 'no such address' : undefined),
      addresses: () => undefined,
      ejectedForMs: () => 0,
    }
    const explained = await explainedOf(OWN, live)
    const closed = await explainOne(explained, 'http://192.0.2.2')
    assert.deepEqual(closed.answer, { kind: 'not-listening', message: 'no such address' })
    assert.equal(closed.serves, false)
    assert.equal((await explainOne(explained, 'http://192.0.2.1')).serves, true)
  })
})

describe('what a bind expects', () => {
  it('is what the client has to speak', async () => {
    const explained = await explainedOf(
      `${gateway(
        `${HTTP}, {name: https, port: 443, protocol: HTTPS, hostname: a.test, tls: {certificateRefs: [{name: cert}]}},
         {name: tcp, port: 5432, protocol: TCP}, {name: udp, port: 53, protocol: UDP}`,
      )}
      ${route('HTTPRoute', 'web', `hostnames: [a.test]\n  ${forward}`)}
      ${route('TCPRoute', 'db', 'rules: [{name: main, backendRefs: [{name: app, port: 80}]}]')}
      ${route('UDPRoute', 'dns', 'rules: [{backendRefs: [{name: dns, port: 53}]}]')}${service('app')}
      ${service('dns', 'port: 53, protocol: UDP').replace('{port: 8080}', '{port: 53, protocol: UDP}')}
---
apiVersion: v1
kind: Secret
metadata: {name: cert}
type: kubernetes.io/tls
data: {tls.crt: "{{cert a.test}}", tls.key: "{{key a.test}}"}
`,
    )
    const answer = async (url: string) => (await explainOne(explained, url)).answer
    const closed = (reason: string) => ({ kind: 'closed', how: 'fin', reason })
    assert.deepEqual(await answer('https://a.test'), { kind: 'forward' })
    assert.deepEqual(await answer('tls://a.test'), { kind: 'http' })
    assert.deepEqual(await answer('http://a.test:443'), closed('not-tls'))
    assert.deepEqual(await answer('tcp://a.test:443'), closed('not-tls'))
    assert.deepEqual(await answer('tls://b.test'), closed('no-chain'))
    assert.deepEqual(await answer('tls://-.test'), closed('malformed-hello'))
    assert.deepEqual(await answer('tls://a.test:80'), {
      kind: 'reply',
      reason: 'bad-request',
      status: 400,
    })
    assert.deepEqual(await answer('tcp://a.test:80'), { kind: 'http' })
    const database = await explainOne(explained, 'tls://whatever.test:5432')
    assert.deepEqual([database.route, database.rule], ['TCPRoute/default/db', 'main'])
    const names = await explainOne(explained, 'udp://a.test:53')
    assert.deepEqual([names.route, names.serves], ['UDPRoute/default/dns', true])
  })
})
