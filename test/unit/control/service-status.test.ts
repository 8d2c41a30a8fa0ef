/** The status line of systemd: what serves, and what is wrong with it. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { serviceStatus } from '../../../src/control/service-status.ts'
import type { Diagnostic } from '../../../src/model/diagnostic.ts'

const problem = (severity: Diagnostic['severity']): Diagnostic => ({
  severity,
  code: 'yaml-syntax',
  origin: { file: 'a.yaml', line: 1, column: 1 },
  message: 'broken',
})

it('counts, and says what is wrong', () => {
  const ready = { state: 'ready', reasons: [] } as const
  assert.equal(
    serviceStatus({ generation: 1, problems: [] }, { files: 1, objects: 1, stale: 0 }, ready),
    'serving generation 1: 1 object of 1 file',
  )
  assert.equal(
    serviceStatus(
      { generation: 7, problems: [problem('error'), problem('warning'), problem('error')] },
      { files: 3, objects: 12, stale: 1 },
      { state: 'degraded', reasons: ['tcp/[::]:443 is not bound', 'worker 1 is starting'] },
    ),
    'serving generation 7: 12 objects of 3 files, 1 in the last good version, 2 errors; ' +
      'degraded: tcp/[::]:443 is not bound, worker 1 is starting',
  )
})
