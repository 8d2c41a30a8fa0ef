/** A test file whose daemon does not start fails and ends, whatever else it has opened. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { it } from 'node:test'

const FILE = `
import { createSocket } from 'node:dgram'
import { createServer } from 'node:http'
import { before, describe, it } from 'node:test'
import { startDaemon } from '${join(import.meta.dirname, '../support/daemon.ts')}'
describe('of a daemon', () => {
  before(async () => {
    createServer().listen(0, '127.0.0.1')
    createSocket('udp4').bind(0, '127.0.0.1')
    await startDaemon({ files: {}, launcher: ['false'] })
  })
  it('never begins', () => {})
})
`

it('a `before` without its daemon ends the file', () => {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const { status, signal, stdout } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', FILE],
    { env, encoding: 'utf8', timeout: 30_000 },
  )
  assert.deepEqual([status, signal], [1, null])
  assert.match(stdout, /gwproxy ended with 1 before it was ready/)
})
