/** ListenerSets on a real daemon: joined, told how they fare, taken away, never in the Gateway's way. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Backend, startHttpBackend } from '../../demo/backends.ts'
import { testAuthority, testCertificate } from '../support/certificates.ts'
import { curl } from '../support/command.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import {
  backendRef,
  gateway,
  httpListener,
  httpRoute,
  type Manifest,
  service,
  tlsListener,
  tlsSecret,
  yaml,
} from '../support/manifests.ts'

const WAIT = { timeout: 30_000 }
const TEAM = { namespace: 'team' }

describe('a ListenerSet', () => {
  let daemon: Daemon
  let app: Backend
  let team = ''

  before(async () => {
    app = await startHttpBackend('app')
    const secret = tlsSecret('team', await testCertificate(['team.test']))
    team = yaml(
      listenerSet([
        httpListener('http', 8080, 'team.test'),
        httpListener('taken', 8080, 'own.test'),
        tlsListener('https', 8443, 'team.test', ['team'], 'HTTPS'),
      ]),
      inTeam(secret),
    )
    daemon = await startDaemon({ workers: 0, files: { 'own.yaml': ownFile('All') } })
    writeFileSync(join(daemon.directory, 'ca.crt'), (await testAuthority()).certPem)
    const route = { ...httpRoute('team', undefined, [{ backendRefs: [backendRef('app')] }]) }
    const report = await daemon.apply({
      'team.yaml': team,
      'route.yaml': yaml(toSet(inTeam(route)), ...service('app', 80, [app]).map(inTeam)),
    })
    assert.deepEqual(report.failedBinds, [])
  })
  after(async () => {
    assert.equal(await daemon.stop(), 0)
    await app.close()
  })

  /** The status code, or curl's own exit code when there is no answer. */
  async function visit(scheme: 'http' | 'https', host: string): Promise<string> {
    const port = scheme === 'http' ? 8080 : 8443
    const { code, stdout } = await curl([
      ...['--cacert', join(daemon.directory, 'ca.crt'), '-o', '/dev/null', '-w', '%{http_code}'],
      ...['--resolve', `${host}:${port}:${daemon.address}`, `${scheme}://${host}:${port}/`],
    ])
    return code === 0 ? stdout : `curl ${code}`
  }

  it(
    'serves beside the Gateway’s listener, with the certificate of its namespace',
    WAIT,
    async () => {
      assert.equal(await visit('http', 'own.test'), '302', 'the Gateway keeps what it has')
      assert.equal(await visit('http', 'team.test'), '200')
      assert.equal(await visit('https', 'team.test'), '200')
      assert.equal(await visit('http', 'other.test'), '404')
      const line = await daemon.line(({ listener }) => listener === 'ListenerSet/team/set/https')
      assert.equal(line['route_name'], 'HTTPRoute/team/team')
    },
  )

  it('is told how each of its listeners fares', WAIT, async () => {
    const set = await statusOf('ListenerSet')
    assert.deepEqual(reasons(set), { Accepted: 'ListenersNotValid', Programmed: 'Programmed' })
    const entries = (set['listeners'] as readonly Status[]).map((entry) => [
      entry['name'],
      reasons(entry)['Programmed'],
      entry['attachedRoutes'],
    ])
    assert.deepEqual(entries, [
      ['http', 'Programmed', 1],
      ['taken', 'HostnameConflict', 1],
      ['https', 'Programmed', 1],
    ])
    const { attachedListenerSets, listeners } = await statusOf('Gateway')
    assert.equal(attachedListenerSets, 1)
    assert.equal((listeners as readonly Status[]).length, 1, 'the Gateway lists its own only')
  })

  it('stops when the Gateway takes it no more, and comes back', WAIT, async () => {
    await daemon.apply({ 'own.yaml': ownFile('Same') })
    assert.deepEqual(reasons(await statusOf('ListenerSet')), {
      Accepted: 'NotAllowed',
      Programmed: 'NotAllowed',
    })
    assert.equal(await visit('http', 'team.test'), '404')
    assert.equal(await visit('https', 'team.test'), 'curl 7', 'nobody has the port')
    assert.equal(await visit('http', 'own.test'), '302')
    await daemon.apply({ 'own.yaml': ownFile('All') })
    assert.equal(await visit('https', 'team.test'), '200')
    await daemon.apply({ 'team.yaml': undefined })
    assert.equal(await visit('http', 'team.test'), '404')
  })

  async function statusOf(kind: string): Promise<Status> {
    const { objects } = await daemon.admin.get<{ objects: readonly { object: Status }[] }>(
      '/status',
    )
    const found = objects.find(({ object }) => object['kind'] === kind)
    assert.ok(found !== undefined, `${kind} has a status`)
    return found.object['status'] as Status
  }
})

type Status = Readonly<Record<string, unknown>>

/** By type, of one object or entry. */
function reasons(status: Status): Record<string, string> {
  const conditions = status['conditions'] as readonly { type: string; reason: string }[]
  return Object.fromEntries(conditions.map(({ type, reason }) => [type, reason]))
}

function ownFile(from: 'All' | 'Same'): string {
  const own = gateway([httpListener('own', 8080, 'own.test')])
  const spec = { ...(own['spec'] as Manifest), allowedListeners: { namespaces: { from } } }
  const redirect = { type: 'RequestRedirect', requestRedirect: { hostname: 'elsewhere.test' } }
  return yaml({ ...own, spec }, httpRoute('own', undefined, [{ filters: [redirect] }]))
}

function listenerSet(listeners: readonly Manifest[]): Manifest {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'ListenerSet',
    metadata: { name: 'set', ...TEAM },
    spec: { parentRef: { name: 'gw', namespace: 'default' }, listeners },
  }
}

function inTeam(manifest: Manifest): Manifest {
  return { ...manifest, metadata: { ...(manifest['metadata'] as Manifest), ...TEAM } }
}

function toSet(route: Manifest): Manifest {
  const parentRefs = [{ kind: 'ListenerSet', name: 'set' }]
  return { ...route, spec: { ...(route['spec'] as Manifest), parentRefs } }
}
