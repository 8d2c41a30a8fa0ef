/** What the log tells of configurations, and what it does not tell twice. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ConfigLog } from '../../../src/control/config-log.ts'
import type { Settlement } from '../../../src/control/publisher.ts'
import { bindKey } from '../../../src/model/identity.ts'
import type { BindResult } from '../../../src/model/status.ts'
import { configUpdate, recordingLog } from './fixtures.ts'

const BUSY = { errno: 'EADDRINUSE', message: 'the port is taken' }

function bind(port: number, error?: BindResult['error']): BindResult {
  return { bind: bindKey('tcp', '::', port), ...(error && { error }) }
}

function setUp() {
  const { log, lines } = recordingLog()
  const configLog = new ConfigLog(log)
  let revision = 0
  /** The lines of one settlement: level, message, and the fields named. */
  const settle = (
    results: readonly BindResult[],
    refusals: readonly string[] = [],
    generation = revision + 1,
  ): unknown[] => {
    revision += 1
    const settlement: Settlement = { revision, generation, results, refusals }
    configLog.settled(configUpdate({ generation }), settlement)
    return lines.splice(0).map(({ level, fields, message }) => {
      const { opened, closed, bind: failed, refusals: refused } = fields
      return [level, message, { opened, closed, failed, refused }]
    })
  }
  return { configLog, lines, settle }
}

const NONE = { opened: undefined, closed: undefined, failed: undefined, refused: undefined }

describe('the log of configurations', () => {
  it('names the binds that opened and closed', () => {
    const { settle } = setUp()
    const applied = (fields: object) => ['info', 'configuration applied', { ...NONE, ...fields }]
    assert.deepEqual(settle([bind(80), bind(443)]), [
      applied({ opened: ['tcp/[::]:80', 'tcp/[::]:443'] }),
    ])
    assert.deepEqual(settle([bind(80), bind(443)]), [applied({})])
    assert.deepEqual(settle([bind(80), bind(90)]), [
      applied({ opened: ['tcp/[::]:90'], closed: ['tcp/[::]:443'] }),
    ])
  })

  it('tells a failed bind when it fails, and when it is open after all', () => {
    const { settle } = setUp()
    const failure = ['error', BUSY.message, { ...NONE, failed: 'tcp/[::]:80' }]
    const applied = ['info', 'configuration applied', NONE]
    assert.deepEqual(settle([bind(80, BUSY)]), [failure, applied])
    assert.deepEqual(settle([bind(80, BUSY)], [], 1), [], 'tried again in vain')
    assert.deepEqual(settle([bind(80, BUSY)]), [applied])
    assert.deepEqual(settle([bind(80)]), [
      ['info', 'configuration applied', { ...NONE, opened: ['tcp/[::]:80'] }],
    ])
    assert.deepEqual(settle([bind(80, BUSY)])[0], failure)
  })

  it('says of a refusal that what serves goes on, and of no bind that it closed', () => {
    const { settle } = setUp()
    settle([bind(80)])
    const refused = { errno: 'REFUSED', message: 'a worker refused' }
    assert.deepEqual(settle([bind(80, refused)], ['no key']), [
      [
        'error',
        'configuration refused; the one before keeps serving',
        { ...NONE, refused: ['no key'] },
      ],
    ])
    assert.deepEqual(settle([bind(80)]), [['info', 'configuration applied', NONE]])
  })

  it('bounds the length of a problem', () => {
    const { configLog, lines } = setUp()
    const origin = { file: 'a.yaml', line: 1, column: 1 }
    const message = 'K'.repeat(100_000)
    configLog.problems([{ severity: 'warning', code: 'unknown-kind', origin, message }])
    assert.ok((lines[0]?.message.length ?? 0) < 3000)
  })

  it('tells a problem when it appears, and again only after it was gone', () => {
    const { configLog, lines } = setUp()
    const problem = {
      severity: 'error',
      code: 'schema',
      origin: { file: 'a.yaml', line: 2, column: 3 },
      path: 'spec',
      message: 'spec is required',
    } as const
    configLog.problems([problem])
    configLog.problems([problem])
    configLog.problems([])
    configLog.problems([{ ...problem, severity: 'warning' }])
    const text = 'a.yaml:2:3: spec: spec is required'
    assert.deepEqual(
      lines.map(({ level, message }) => [level, message]),
      [
        ['error', text],
        ['warn', text],
      ],
    )
  })
})
