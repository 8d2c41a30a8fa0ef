/** `gwproxy explain` says what the daemon does, request by request. */
import assert from 'node:assert/strict'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { type Backend, startHttpBackend } from '../../demo/backends.ts'
import { testCertificate } from '../support/certificates.ts'
import { command, curl } from '../support/command.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import type { Explanation } from '../../src/model/explanation.ts'
import * as m from '../support/manifests.ts'

const LAUNCHER = resolve(import.meta.dirname, '../../bin/gwproxy')
const to = { backendRefs: [m.backendRef('app')] }
const at = (type: string, value: string) => ({ path: { type, value } })

describe('explain', () => {
  let app: Backend
  let daemon: Daemon

  before(async () => {
    app = await startHttpBackend('app')
    daemon = await startDaemon({
      files: {
        'all.yaml': m.yaml(
          m.gateway([
            m.httpListener('any', 8080),
            m.httpListener('wild', 8080, '*.a.test'),
            m.tlsListener('one', 8443, 'one.test', ['cert'], 'HTTPS'),
            m.tlsListener('two', 8443, 'two.test', ['cert'], 'HTTPS'),
            m.tlsListener('raw', 8443, 'raw.test', 'passthrough'),
          ]),
          m.httpRoute('root', undefined, [{ matches: [at('PathPrefix', '/')], ...to }], {
            sectionName: 'wild',
          }),
          m.httpRoute('exact', undefined, [{ matches: [at('Exact', '/x')], ...to }]),
          m.httpRoute('post', undefined, [
            { matches: [{ ...at('PathPrefix', '/x'), method: 'POST' }], ...to },
          ]),
          m.httpRoute('canary', undefined, [
            {
              matches: [{ ...at('PathPrefix', '/y'), headers: [{ name: 'x-c', value: '1' }] }],
              ...to,
            },
          ]),
          m.httpRoute(
            'query',
            ['q.a.test'],
            [
              {
                matches: [{ ...at('PathPrefix', '/y'), queryParams: [{ name: 'q', value: '1' }] }],
                ...to,
              },
            ],
          ),
          m.tlsRoute('raw', ['raw.test'], [m.backendRef('app')]),
          ...m.service('app', 80, [app]),
          m.tlsSecret('cert', await testCertificate(['one.test', 'two.test'])),
        ),
      },
    })
  })

  after(async () => {
    await daemon?.stop()
    await app?.close()
  })

  const explain = (...args: readonly string[]) =>
    command(LAUNCHER, ['explain', ...args, '--config', daemon.configDir])

  it('names the route of the access log', async () => {
    const requests = fc.sample(
      fc.record({
        host: fc.constantFrom('b.test', 'a.test', 'q.a.test', 'z.a.test'),
        path: fc.constantFrom('/', '/x', '/x/1', '/y', '/y?q=1', '/z'),
        method: fc.constantFrom('GET', 'POST'),
        canary: fc.constantFrom('1', '2'),
      }),
      40,
    )
    const routes = new Set<unknown>()
    for (const [index, { host, path, method, canary }] of requests.entries()) {
      const id = `explain-${index}`
      const args = ['-X', method, '-H', `x-c: ${canary}`]
      await curl([
        ...args,
        ...['-o', '/dev/null', '-A', id, '--resolve', `${host}:8080:${daemon.address}`],
        `http://${host}:8080${path}`,
      ])
      const line = await daemon.line((entry) => Object.values(entry).includes(id))
      const { code, stdout, stderr } = await explain(
        ...args,
        '-o',
        'json',
        `http://${host}:8080${path}`,
      )
      assert.notEqual(stdout, '', stderr)
      const { explanations } = JSON.parse(stdout) as { explanations: readonly Explanation[] }
      const route = explanations[0]?.route
      assert.equal(route ?? null, line['route_name'] ?? null, `${method} ${host}${path} ${canary}`)
      assert.equal(code, route === undefined ? 1 : 0)
      routes.add(route)
    }
    assert.ok(routes.size > 3)
  })

  it('says why the others lose', async () => {
    const { code, stdout, stderr } = await explain('http://q.a.test:8080/x')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /route +HTTPRoute\/default\/exact/)
    assert.match(stdout, /post.* method differs/)
    assert.match(stdout, /canary.* path differs/)
    assert.match(stdout, /root.* matches too, but ranks lower/)
    assert.match(stdout, /\/any .* less specific/)
  })

  it('shows certificate, 421, passthrough and closed connections', async () => {
    const served = await explain('https://one.test:8443/x')
    assert.equal(served.code, 0, served.stderr)
    assert.match(served.stdout, /certificate +default\/cert/)
    assert.match(served.stdout, /two.* does not match the name/)
    const misdirected = await explain('https://one.test:8443/x', '-H', 'Host: two.test')
    assert.deepEqual([misdirected.code, /421/.test(misdirected.stdout)], [1, true])
    assert.match((await explain('tls://raw.test:8443')).stdout, /TLSRoute\/default\/raw/)
    const closed = await explain('tls://no.test:8443')
    assert.deepEqual([closed.code, /closed: no-chain/.test(closed.stdout)], [1, true])
  })

  it('refuses wrong usage', async () => {
    const scheme = await explain('ftp://x')
    assert.deepEqual([scheme.code, /expected https/.test(scheme.stderr)], [2, true])
    const header = await explain('http://x', '-H', 'none')
    assert.deepEqual([header.code, /-H none: expected/.test(header.stderr)], [2, true])
    const config = join(daemon.configDir, 'no')
    const absent = await command(LAUNCHER, ['explain', 'http://x', '--config', config])
    assert.deepEqual([absent.code, /no such file/.test(absent.stderr)], [2, true])
  })
})
