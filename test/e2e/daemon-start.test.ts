/** What happens before the daemon is ready. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { LAUNCHER } from '../support/launcher.ts'

interface Starting {
  readonly child: ChildProcess
  /** Resolves when the output so far holds `text`. */
  printed(text: string): Promise<void>
  /** Exit code, signal and all that it printed. */
  readonly ended: Promise<{ readonly code: unknown; readonly output: string }>
}

function start(t: TestContext, args: readonly string[]): Starting {
  const directory = mkdtempSync(join(tmpdir(), 'gwproxy-start-'))
  const child = spawn(
    LAUNCHER,
    [
      ...['run', '--config', directory, '--metrics', 'off', '--log-format', 'json'],
      ...['--admin', `unix:${join(directory, 'admin.sock')}`],
      ...args,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  t.after(() => {
    child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  return {
    child,
    printed: async (text) => {
      while (!output.includes(text)) await once(child.stdout, 'data')
    },
    ended: once(child, 'close').then(([code, signal]) => ({ code: code ?? signal, output })),
  }
}

describe('a daemon that starts', () => {
  for (const workers of ['0', '2']) {
    it(`ends at once on SIGTERM, in good order, with --workers ${workers}`, async (t) => {
      const { child, printed, ended } = start(t, ['--workers', workers])
      // The first line of all: nothing serves yet.
      await printed('admin interface open')
      child.kill('SIGTERM')
      const asked = performance.now()
      const { code, output } = await ended
      assert.equal(code, 0, output)
      assert.ok(performance.now() - asked < 5000, 'it waited for work that nobody had')
      assert.doesNotMatch(output, /unsettled|"ready"/)
    })
  }
})
