/** Sessions on real daemons: every worker, a reload and a restart honour what curl's cookie jar keeps. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Backend, startHttpBackend } from '../../demo/backends.ts'
import { errnoOf } from '../../src/base/errors.ts'
import { curl } from '../support/command.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import {
  backendRef,
  gateway,
  httpListener,
  httpRoute,
  service,
  yaml,
} from '../support/manifests.ts'
import { isStopped } from '../support/processes.ts'
import { until } from '../support/until.ts'

const NAMES = ['red', 'green', 'blue']

describe('sessions on a daemon', () => {
  let scratch = ''
  let backends: readonly Backend[] = []

  before(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'gwproxy-sessions-'))
    backends = await Promise.all(NAMES.map((name) => startHttpBackend(name)))
  })
  after(async () => {
    await Promise.all(backends.map((backend) => backend.close()))
    rmSync(scratch, { recursive: true })
  })

  const files = (...more: readonly Readonly<Record<string, unknown>>[]) => ({
    'all.yaml': yaml(
      gateway([httpListener('http', 8080)]),
      httpRoute('shop', undefined, [
        {
          name: 'cart',
          sessionPersistence: {
            sessionName: 'cart',
            absoluteTimeout: '24h',
            cookieConfig: { lifetimeType: 'Permanent' },
          },
          backendRefs: [backendRef('shop')],
        },
        ...more,
      ]),
      ...service('shop', 80, backends),
    ),
  })

  /** The name of the backend that answers curl with this jar. */
  async function ask({ address }: Daemon, jar: string, path = '/'): Promise<string> {
    const cookies = ['--cookie', join(scratch, jar), '--cookie-jar', join(scratch, jar)]
    const { code, stdout, stderr } = await curl([...cookies, `http://${address}:8080${path}`])
    assert.equal(code, 0, stderr)
    const name = NAMES.find((name) => stdout.includes(name))
    assert.ok(name !== undefined, stdout)
    return name
  }

  it('of one worker go on in the others, and after a reload', async () => {
    const daemon = await startDaemon({ workers: 2, files: files() })
    const first = await ask(daemon, 'workers')
    const jar = readFileSync(join(scratch, 'workers'), 'utf8')
    const line = /^#HttpOnly_\S+\tFALSE\t\/\tFALSE\t(\d+)\tcart\t[\w-]{52}$/m.exec(jar)
    assert.ok(line, jar)
    assert.ok(Math.abs(Number(line[1]) - Date.now() / 1000 - 86_400) < 120)
    const started = daemon.lines.filter(({ msg }) => msg === 'worker started')
    const pids = new Set(started.map(({ pid }) => Number(pid)))
    assert.equal(pids.size, 2)
    for (const pid of pids) {
      // The other one answers.
      process.kill(pid, 'SIGSTOP')
      await until(() => isStopped(pid))
      assert.equal(await ask(daemon, 'workers'), first)
      resume(pid)
    }
    const ids = () => daemon.lines.map((line) => line['connection_id']?.toString().split('-')[0])
    await until(() => new Set(ids().filter((id) => id !== undefined)).size >= 2)
    await daemon.apply(files({ matches: [{ path: { value: '/new' } }] }))
    for (let n = 0; n < 6; n += 1) assert.equal(await ask(daemon, 'workers'), first)
    assert.equal(
      readFileSync(join(scratch, 'workers'), 'utf8').match(/cart\t(\S+)/)?.[1]?.length,
      52,
    )
    await daemon.stop()
  })

  it('go on after a restart with --state-dir, and nobody else reads the secret', async () => {
    const state = join(scratch, 'state')
    const args = ['--state-dir', state]
    const before = await startDaemon({ workers: 1, files: files(), args })
    const first = await ask(before, 'restart')
    // Another client, so that the next choice would be another one.
    assert.notEqual(await ask(before, 'other'), first)
    const secret = join(state, 'session-secret.json')
    assert.equal(statSync(secret).mode & 0o777, 0o600)
    await before.stop()
    const { secret: value } = JSON.parse(readFileSync(secret, 'utf8')) as { secret: string }
    const restarted = await startDaemon({ workers: 2, files: files(), args })
    for (let n = 0; n < 6; n += 1) assert.equal(await ask(restarted, 'restart'), first)
    const shown = JSON.stringify([await restarted.admin.get('/snapshot'), restarted.lines])
    assert.ok(shown.includes('HTTPRoute/default/shop/cart'))
    assert.ok(!shown.includes(value))
    await restarted.stop()
  })

  it('of each rule are its own, and end after their time', async () => {
    const persistence = [{}, {}, { absoluteTimeout: '1s' }]
    const rules = persistence.map((sessionPersistence, index) => ({
      matches: [{ path: { value: `/${index}` } }],
      sessionPersistence,
      backendRefs: [backendRef('shop')],
    }))
    const daemon = await startDaemon({ workers: 1, files: files(...rules) })
    const paths = ['/0', '/1', '/', '/2']
    const firsts = new Map<string, string>()
    for (const path of paths) firsts.set(path, await ask(daemon, 'rules', path))
    for (const path of [...paths, ...paths].filter((path) => path !== '/2')) {
      assert.equal(await ask(daemon, 'rules', path), firsts.get(path))
    }
    const tokens = (): readonly string[] =>
      readFileSync(join(scratch, 'rules'), 'utf8').match(/[\w-]{52}$/gm) ?? []
    const before = tokens()
    assert.equal(new Set(before).size, 4)
    const end = performance.now() + 20_000
    while (tokens().every((token) => before.includes(token))) {
      assert.ok(performance.now() < end, 'the session of 1 s never ended')
      await ask(daemon, 'rules', '/2')
    }
    assert.equal(tokens().filter((token) => before.includes(token)).length, 3)
    await daemon.stop()
  })
})

/** On a machine so slow that the supervisor took it for hung, its successor runs already. */
function resume(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT')
  } catch (error) {
    assert.equal(errnoOf(error), 'ESRCH')
  }
}
