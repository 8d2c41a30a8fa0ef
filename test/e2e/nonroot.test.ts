/**
 * gwproxy as an ordinary user, as a service runs: what it may not do gives one message that says
 * who may not do what and how to change it, and everything else serves.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { AdminClient } from '../../src/control/admin/client.ts'
import type { ReadyReport, StatusReport } from '../../src/control/admin/contract.ts'
import { command } from '../support/command.ts'
import { startDaemon } from '../support/daemon.ts'
import { LAUNCHER } from '../support/launcher.ts'
import { gateway, httpListener, tlsListener, yaml } from '../support/manifests.ts'

const NOBODY = 65_534
const AS_NOBODY = [
  ...['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'],
  ...['--bounding-set=-all', '--no-new-privs'],
] as const
const [SETPRIV, ...SETPRIV_ARGS] = AS_NOBODY

/** A network of its own, where the kernel keeps low ports from ordinary users. */
const OWN_NETWORK = [
  ...['unshare', '--net', 'sh', '-c'],
  'ip link set lo up && echo 1024 >/proc/sys/net/ipv4/ip_unprivileged_port_start && exec "$0" "$@"',
] as const
const [UNSHARE, ...UNSHARE_ARGS] = OWN_NETWORK

/** Why the tests cannot run here, if so. */
function obstacle(): string | false {
  if (process.getuid?.() !== 0) return 'only root can become another user'
  const probe = spawnSync(SETPRIV, [...SETPRIV_ARGS, LAUNCHER, 'version'], { encoding: 'utf8' })
  if (probe.error !== undefined) return 'there is no setpriv here'
  return probe.status === 0 ? false : 'the checkout is not readable for other users'
}

function networkObstacle(): string | false {
  const probe = spawnSync(UNSHARE, [...UNSHARE_ARGS, 'true'])
  return probe.status === 0 ? false : 'no network namespace can be made here'
}

describe('an ordinary user', { skip: obstacle() }, () => {
  it('may not bind a low port: one message with every remedy', {
    skip: networkObstacle(),
  }, async () => {
    const address = '127.0.0.1'
    const daemon = await startDaemon({
      launcher: [UNSHARE, ...UNSHARE_ARGS, ...AS_NOBODY, LAUNCHER],
      uid: NOBODY,
      workers: 2,
      files: {
        'all.yaml': yaml(
          gateway([httpListener('low', 80), httpListener('high', 8080)], {
            addresses: [{ value: address }],
          }),
        ),
      },
    })
    const messages = daemon.lines.map((line) => JSON.stringify(line)).filter(isAboutPermission)
    assert.equal(messages.length, 1, messages.join('\n'))
    const { state, reasons } = await daemon.admin.get<ReadyReport>('/readyz')
    assert.equal(state, 'degraded')
    const { objects } = await daemon.admin.get<StatusReport>('/status')
    for (const text of [messages.join(), reasons.join(), JSON.stringify(objects)]) {
      assert.match(text, /127\.0\.0\.1:80\b/)
      assert.match(text, /AmbientCapabilities=CAP_NET_BIND_SERVICE/)
      assert.match(text, /setcap cap_net_bind_service=\+ep [^ ]*\/node/)
      assert.match(text, /sysctl net\.ipv4\.ip_unprivileged_port_start=80/)
    }
    const inside = ['--target', String(daemon.pid), '--net', 'curl', '-sS', '-w', '%{http_code}']
    const { stdout, stderr } = await command('nsenter', [...inside, `http://${address}:8080/`])
    assert.match(stdout, /404$/, stderr)
    assert.equal(await daemon.stop(), 0)
  })

  it('may not read a certificate directory or a file: who, and what is closed', async () => {
    const closed = mkdtempSync(join(tmpdir(), 'gwproxy-closed-'))
    mkdirSync(join(closed, 'live/web.test'), { recursive: true })
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name: 'web',
        annotations: { 'gwproxy.dev/from-directory': join(closed, 'live/web.test') },
      },
    }
    const daemon = await startDaemon({
      launcher: [...AS_NOBODY, LAUNCHER],
      uid: NOBODY,
      files: {
        'tls.yaml': yaml(
          gateway([tlsListener('web', 8443, undefined, ['web'], 'HTTPS')], { name: 'tls' }),
          secret,
        ),
        'http.yaml': yaml(gateway([httpListener('http', 8080)])),
      },
    })
    const unreadable = join(daemon.configDir, 'unreadable.yaml')
    writeFileSync(unreadable, yaml(gateway([httpListener('x', 8081)], { name: 'x' })))
    chmodSync(unreadable, 0o600)
    const { problems } = await daemon.reload()
    const texts = problems.map(({ message, help }) => `${message} | ${help}`)
    const directory = texts.find((text) => text.includes(join(closed, 'live/web.test')))
    assert.match(directory ?? '', new RegExp(`user nobody may not read .* ${closed} is closed`))
    assert.match(directory ?? '', new RegExp(`setfacl -m u:nobody:x ${closed}$`))
    const file = texts.find((text) => text.includes(unreadable))
    assert.match(file ?? '', /user nobody may not read .* \| setfacl -m u:nobody:r /)
    const { stdout } = await command('curl', [
      ...['-sS', '-o', '/dev/null', '-w', '%{http_code}', `http://${daemon.address}:8080/`],
    ])
    assert.equal(stdout, '404')
    assert.equal(await daemon.stop(), 0)
    rmSync(closed, { recursive: true })
  })

  it('has its admin socket and state where no other user can take them over', async () => {
    const home = mkdtempSync(join(tmpdir(), 'gwproxy-home-'))
    after(() => rmSync(home, { recursive: true, force: true }))
    chmodSync(home, 0o1777)
    const daemon = await startDaemon({
      launcher: [...AS_NOBODY, 'env', '-u', 'XDG_RUNTIME_DIR', '-u', 'RUNTIME_DIRECTORY', LAUNCHER],
      uid: NOBODY,
      files: {},
      settings: 'variables',
      args: ['--state-dir', join(home, 'state')],
      // An empty variable is none: the default place.
      env: { TMPDIR: home, GWPROXY_ADMIN: '' },
    })
    const socket = join(home, `gwproxy-${NOBODY}/admin.sock`)
    assert.deepEqual(await new AdminClient({ kind: 'unix', path: socket }).get('/livez'), {
      state: 'alive',
    })
    assert.equal(modeOf(socket), 0o660)
    assert.equal(modeOf(join(home, `gwproxy-${NOBODY}`)), 0o750)
    assert.equal(modeOf(join(home, 'state')), 0o700)
    assert.equal(await daemon.stop(), 0)
  })
})

function isAboutPermission(line: string): boolean {
  return /EACCES/.test(line)
}

function modeOf(path: string): number {
  return statSync(path).mode & 0o777
}
