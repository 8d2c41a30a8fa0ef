/** An upgrade whose new process fails at each step, and one on a full disk: the old one goes on. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
  openSync,
  closeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { AdminError, UpgradeReport } from '../../src/control/admin/contract.ts'
import { HAND_OVER_PROTOCOL, type Serving } from '../../src/ipc/hand-over.ts'
import { curl } from '../support/command.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { LAUNCHER } from '../support/launcher.ts'
import { gateway, httpListener, httpRoute, yaml } from '../support/manifests.ts'
import { isGone } from '../support/processes.ts'
import { until } from '../support/until.ts'

const PORT = 8080
const LIMIT = { timeout: 60_000 }
const SERVING: Serving = { generation: 1, failedBinds: [], errors: [], stale: 0 }
const FILES = {
  'all.yaml': yaml(
    gateway([httpListener('http', PORT)]),
    httpRoute('r', undefined, [
      { filters: [{ type: 'RequestRedirect', requestRedirect: { hostname: 'to.test' } }] },
    ]),
  ),
}

const scratch = mkdtempSync(join(tmpdir(), 'gwproxy-crash-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

function upgrade({ admin }: Daemon): Promise<UpgradeReport> {
  return admin.post<UpgradeReport>('/upgrade')
}

async function assertServes(daemon: Daemon): Promise<void> {
  const url = `http://${daemon.address}:${PORT}/`
  const { stdout } = await curl(['-o', '/dev/null', '-w', '%{http_code}', '--max-time', '30', url])
  assert.equal(stdout, '302')
  assert.deepEqual(await daemon.admin.get('/readyz'), { state: 'ready', reasons: [] })
  assert.deepEqual((await daemon.reload()).failedBinds, [])
}

/** What a new process does when it hears a word, and what becomes of it. */
const STEPS: readonly (readonly [string, string, RegExp])[] = [
  ['with its inheritance', `inheritance: () => process.exit(9)`, /ended with code 9 before/],
  [
    'after it accepts',
    `inheritance: () => { say({ type: 'serving', serving }, () => process.kill(process.pid, 'SIGSEGV')) }`,
    /was ended by SIG\w+ before/,
  ],
  [
    'when it may take over',
    `inheritance: () => say({ type: 'serving', serving }), take: () => process.exit(9)`,
    /ended with code 9 before/,
  ],
  [
    'by its channel',
    `inheritance: () => { say({ type: 'serving', serving }); process.disconnect(); process.exitCode = 9 }`,
    /ended with code 9 before/,
  ],
  ...(
    [
      ['half of how it serves', `{ type: 'serving', serving: { ...serving, failedBinds: null } }`],
      ['a bind that is none', `{ type: 'serving', serving: { ...serving, failedBinds: [null] } }`],
      ['an unknown word', `{ type: 'nonsense' }`],
      ['no word', `null`],
      ['half of a word', `{ type: 'failed' }`],
    ] as const
  ).map(
    ([name, word]) =>
      [
        `by nonsense (${name})`,
        `inheritance: () => say(${word})`,
        /what this one does not understand/,
      ] as const,
  ),
]

describe('a new process that crashes', () => {
  const launcher = join(scratch, 'gwproxy')
  let daemon: Daemon
  before(async () => {
    symlinkSync(LAUNCHER, launcher)
    daemon = await startDaemon({ launcher: [launcher], workers: 1, files: FILES })
  })
  after(async () => assert.equal(await daemon.stop(), 0))

  for (const [index, [name, words, reason]] of STEPS.entries()) {
    it(`${name} leaves the old one serving`, LIMIT, async () => {
      const script = join(scratch, `${index}.mjs`)
      writeFileSync(
        script,
        `const serving = ${JSON.stringify(SERVING)}
         const say = (word, then) => process.send(word, undefined, undefined, then ?? (() => {}))
         const words = { stop: () => process.exit(), ${words} }
         process.on('message', ({ type }) => words[type]?.())
         say({ type: 'hello', protocol: ${HAND_OVER_PROTOCOL}, build: 'b', pid: process.pid })`,
      )
      rmSync(launcher)
      writeFileSync(launcher, `#!/bin/sh\nexec '${process.execPath}' '${script}'\n`)
      chmodSync(launcher, 0o755)
      const { status, body } = await daemon.admin.send('POST', '/upgrade')
      assert.equal(status, 500)
      const { error, code } = body as AdminError
      assert.equal(code, 'GWP_UPGRADE_FAILED', error)
      assert.match(error, reason)
      await assertServes(daemon)
    })
  }

  it('is no hindrance to the next', LIMIT, async () => {
    rmSync(launcher)
    symlinkSync(LAUNCHER, launcher)
    const { pid } = await upgrade(daemon)
    await assertServes(daemon)
    assert.equal(isGone(pid), false)
  })
})

describe('an upgrade on a full disk', {
  skip:
    spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'own', '/mnt']).status !== 0 &&
    'nothing can be mounted here',
}, () => {
  it('is refused or done, and somebody serves', LIMIT, async () => {
    const small = join(scratch, 'small')
    mkdirSync(small)
    const mount = `mount -t tmpfs -o size=256k own '${small}' && exec "$0" "$@"`
    const daemon = await startDaemon({
      launcher: ['unshare', '--mount', 'sh', '-c', mount, LAUNCHER],
      args: ['--state-dir', join(small, 'state'), '--status-dir', join(small, 'status')],
      workers: 1,
      files: FILES,
    })
    fill(`/proc/${daemon.pid}/root${small}/fill`)
    const before = daemon.lines.length
    const outcome = await upgrade(daemon).then(
      ({ pid }) => pid,
      (error: unknown) => String(error),
    )
    await assertServes(daemon)
    if (typeof outcome === 'string') {
      assert.match(outcome, /ENOSPC|no space/i)
      await until(() =>
        daemon.lines.slice(before).some(({ msg }) => /going on as before/.test(String(msg))),
      )
    }
    rmSync(`/proc/${daemon.pid}/root${small}/fill`)
    const { pid } = await upgrade(daemon)
    await assertServes(daemon)
    assert.equal(await daemon.stop(), 0)
    await until(() => isGone(pid))
  })

  it('goes on where the log cannot be written', LIMIT, async () => {
    const daemon = await startDaemon({ workers: 1, files: FILES, log: '/dev/full' })
    const { pid } = await upgrade(daemon)
    await assertServes(daemon)
    assert.equal(isGone(pid), false)
    assert.equal(await daemon.stop(), 0)
  })
})

/** To the last byte. */
function fill(path: string): void {
  const fd = openSync(path, 'w')
  try {
    for (const size of [4096, 1]) {
      try {
        for (;;) writeSync(fd, Buffer.alloc(size))
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
      }
    }
  } finally {
    closeSync(fd)
  }
}
