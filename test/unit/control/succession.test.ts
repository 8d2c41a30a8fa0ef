/** An upgrade whose new process hangs: the old one gives up on it, and is as it was. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Succession } from '../../../src/control/succession.ts'
import { UPGRADE_LIMITS, type UpgradeLimits } from '../../../src/control/successor.ts'
import { HAND_OVER_PROTOCOL, type Serving } from '../../../src/ipc/hand-over.ts'
import { isGone } from '../../support/processes.ts'
import { until } from '../../support/until.ts'
import { recordingLog } from './fixtures.ts'

const SERVING: Serving = { generation: 1, failedBinds: [], errors: [], stale: 0 }
const HELLO = { type: 'hello', protocol: HAND_OVER_PROTOCOL, build: 'new', pid: 0 }

const scratch = mkdtempSync(join(tmpdir(), 'gwproxy-succession-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

/** A program that says these words and then nothing, deaf to what it is told. */
function hangingAfter(name: string, words: readonly unknown[]): string {
  const path = join(scratch, name)
  const script = `(await import('node:fs')).writeFileSync('${path}.pid', String(process.pid))
    for (const word of ${JSON.stringify(words)}) {
      process.send('pid' in word ? { ...word, pid: process.pid } : word)
    }
    process.on('message', () => {})
    process.on('disconnect', () => {})
    setInterval(() => {}, 1000)`
  writeFileSync(`${path}.mjs`, script)
  writeFileSync(path, `#!/bin/sh\nexec '${process.execPath}' '${path}.mjs'\n`)
  chmodSync(path, 0o755)
  return path
}

/** Of the last one that was started. */
function pidOf(launcher: string): number {
  return Number(readFileSync(`${launcher}.pid`, 'utf8'))
}

function setUp(launcher: string, limits: Partial<UpgradeLimits>, isPidTold = false) {
  const steps: string[] = []
  const { log, lines } = recordingLog()
  const pids = (): number[] =>
    lines.flatMap(({ message, fields }) =>
      /was started/.test(message) ? Number(fields['pid']) : [],
    )
  const succession = new Succession({
    build: 'old',
    estate: async () => ({
      ...{ launcher, args: [], heapFlags: [], passed: [] },
      inheritance: {
        ...{ build: 'old', sockets: [], datagrams: [], sessionSecret: '' },
        ticketRoots: [],
      },
      giveBack: () => undefined,
    }),
    serving: () => SERVING,
    served: () => new Set(),
    yieldAdmin: async () => void steps.push('yield'),
    resumeAdmin: async () => {
      steps.push(`resume, the other ${isGone(pidOf(launcher)) ? 'gone' : 'alive'}`)
    },
    drain: async () => void steps.push('drain'),
    drainTimeoutMs: 0,
    isPidTold,
    log,
    limits: { ...UPGRADE_LIMITS, ...limits },
  })
  return { succession, steps, lines, pids }
}

describe('a new process that hangs', () => {
  const failed = { code: 'GWP_UPGRADE_FAILED' }

  it('before it serves is given up: nothing has changed', async () => {
    const launcher = hangingAfter('silent', [])
    const { succession, steps, lines, pids } = setUp(launcher, { serveMs: 10, stopMs: 10 })
    for (const times of [1, 2]) {
      await assert.rejects(succession.upgrade(), {
        ...failed,
        message: 'the new process did not serve within 0.01 s',
      })
      assert.equal(pids().length, times)
    }
    assert.match(lines.at(-1)?.message ?? '', /going on as before: .* did not serve within/)
    assert.deepEqual(steps, [])
    assert.equal(succession.passOn('reload'), false)
    await until(() => pids().every(isGone))
  })

  for (const isPidTold of [false, true]) {
    const whose = isPidTold ? "systemd's child" : 'our child'
    it(`when it may take over is ended (${whose}), then the old one takes the admin interface back`, async () => {
      const launcher = hangingAfter('take', [HELLO, { type: 'serving', serving: SERVING }])
      const { succession, steps, lines } = setUp(launcher, { takeMs: 10 }, isPidTold)
      const asked = succession.upgrade()
      await assert.rejects(asked, {
        ...failed,
        message: 'the new process did not take over within 0.01 s',
      })
      assert.deepEqual(steps, ['yield', 'resume, the other gone'])
      assert.match(lines.at(-1)?.message ?? '', /going on as before: .* did not take over within/)
      assert.equal(lines.at(-1)?.fields['pid'], pidOf(launcher))
      assert.equal(succession.passOn('reload'), false)
      assert.equal(succession.abort(), undefined)
    })
  }
})

describe("a new process that is systemd's child", () => {
  it('is told by its path when there is no such program', async () => {
    const { succession, lines } = setUp(join(scratch, 'nowhere'), {}, true)
    await assert.rejects(succession.upgrade(), {
      code: 'GWP_UPGRADE_FAILED',
      message: /ENOENT.*nowhere/,
    })
    assert.deepEqual(
      lines.map(({ fields }) => fields['pid']),
      [undefined, undefined],
    )
  })

  it('is given up when it ends before it serves', async () => {
    const launcher = join(scratch, 'ends')
    writeFileSync(launcher, '#!/bin/sh\nexit 9\n')
    chmodSync(launcher, 0o755)
    const { succession, steps } = setUp(launcher, {}, true)
    await assert.rejects(succession.upgrade(), {
      message: 'the new process ended before it could take over; the log has its last words',
    })
    assert.deepEqual(steps, [])
  })
})
