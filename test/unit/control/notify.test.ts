/** systemd is told in order, by a command; without NOTIFY_SOCKET nobody is. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createNotify } from '../../../src/control/notify.ts'
import { recordingLog } from './fixtures.ts'

describe('createNotify', () => {
  let directory: string
  let command: string
  let record: string
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'gwproxy-notify-'))
    record = join(directory, 'record')
    command = join(directory, 'systemd-notify')
    writeFileSync(command, `#!/bin/sh\necho "$*" >> ${record}\n`)
    chmodSync(command, 0o755)
  })
  after(() => rmSync(directory, { recursive: true }))

  it('tells states in order, in the name of this process', async () => {
    const { log, lines } = recordingLog()
    const notify = createNotify({ NOTIFY_SOCKET: '/run/x' }, log, command)
    void notify('reloading', 'reading')
    await notify('ready', 'serving generation 2')
    const [first, second] = readFileSync(record, 'utf8').trim().split('\n')
    const pid = `--pid=${process.pid}`
    assert.match(first ?? '', new RegExp(`^${pid} RELOADING=1 MONOTONIC_USEC=\\d+ STATUS=reading$`))
    assert.equal(second, `${pid} READY=1 STATUS=serving generation 2`)
    assert.deepEqual(lines, [])
  })

  it('leaves out a status that was overtaken, and tells no second assignment', async () => {
    rmSync(record, { force: true })
    const notify = createNotify({ NOTIFY_SOCKET: '/run/x' }, recordingLog().log, command)
    const first = notify('alive')
    const overtaken = notify('serving', 'one')
    await notify('serving', 'two\nSTOPPING=1')
    await Promise.all([first, overtaken])
    const pid = `--pid=${process.pid}`
    assert.deepEqual(readFileSync(record, 'utf8').trim().split('\n'), [
      `${pid} WATCHDOG=1`,
      `${pid} STATUS=two STOPPING=1`,
    ])
  })

  it('does nothing outside of systemd', async () => {
    rmSync(record, { force: true })
    await createNotify({}, recordingLog().log, command)('ready', 'x')
    assert.equal(existsSync(record), false)
  })

  it('a missing command is a warning, never a failure', async () => {
    const { log, lines } = recordingLog()
    await createNotify({ NOTIFY_SOCKET: '/run/x' }, log, '/nonexistent')('ready', 'x')
    assert.equal(lines[0]?.level, 'warn')
  })
})
