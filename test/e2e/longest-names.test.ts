/** Names of the greatest length that Kubernetes allows, in every place where gwproxy writes them. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parse } from 'yaml'
import { curl } from '../support/command.ts'
import { startDaemon } from '../support/daemon.ts'
import { gateway, httpListener, httpRoute, yaml } from '../support/manifests.ts'
import { until } from '../support/until.ts'

/** RFC 1123 subdomain names have up to 253 characters, namespaces are labels of up to 63. */
const GATEWAY = 'g'.repeat(253)
const ROUTE = 'r'.repeat(253)
const LISTENER = 'l'.repeat(253)
const NAMESPACE = 'n'.repeat(63)

describe('the longest names', () => {
  for (const workers of [0, 1]) {
    it(`are served and told like any other, --workers ${workers}`, async () => {
      const home = mkdtempSync(join(tmpdir(), 'gwproxy-names-'))
      const status = join(home, 'status')
      const redirect = { type: 'RequestRedirect', requestRedirect: { hostname: 'to.test' } }
      const longest = gateway([httpListener(LISTENER, 8080)], { name: GATEWAY })
      const route = httpRoute(ROUTE, undefined, [{ filters: [redirect] }], {
        gateway: GATEWAY,
        sectionName: LISTENER,
      })
      const daemon = await startDaemon({
        workers,
        args: ['--status-dir', status, '--state-dir', join(home, 'state')],
        files: {
          'all.yaml': yaml(
            { ...longest, metadata: { name: GATEWAY, namespace: NAMESPACE } },
            { ...route, metadata: { name: ROUTE, namespace: NAMESPACE } },
          ),
        },
      })
      const answer = await curl(['-o', '/dev/null', '-w', '%{http_code}', `${daemon.address}:8080`])
      assert.equal(answer.stdout, '302')
      const record = await daemon.line(({ log }) => log === 'exchange')
      assert.equal(record['listener'], `Gateway/${NAMESPACE}/${GATEWAY}/${LISTENER}`)
      assert.equal(record['route_name'], `HTTPRoute/${NAMESPACE}/${ROUTE}`)

      const files = () => readdirSync(status).filter((name) => name.endsWith('.yaml'))
      await until(() => files().length === 2)
      const told = files().map((name) => parse(readFileSync(join(status, name), 'utf8')))
      const [first, second] = told.sort((a, b) => (a.kind < b.kind ? -1 : 1))
      assert.deepEqual(first.status.listeners[0].attachedRoutes, 1)
      assert.equal(first.metadata.name, GATEWAY)
      assert.equal(second.status.parents[0].conditions[0].status, 'True')
      assert.equal(second.metadata.name, ROUTE)
      assert.equal(await daemon.stop(), 0)
      assert.deepEqual(
        daemon.lines.filter(({ level }) => level === 'warn' || level === 'error'),
        [],
      )
      rmSync(home, { recursive: true })
    })
  }
})
