/** Overload: refuses, says so once, and says once that it is over. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Overload } from '../../../src/data/overload.ts'
import type { BindKey } from '../../../src/model/identity.ts'
import type { Logger } from '../../../src/observe/log.ts'

function setUp(): {
  overload: Overload
  load: { connections: number; memory: number }
  lines: string[]
} {
  const load = { connections: 0, memory: 0.1 }
  const lines: string[] = []
  const write =
    (level: string) =>
    (_fields: unknown, message: string): void =>
      void lines.push(`${level} ${message}`)
  const log: Logger = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  }
  const overload = new Overload({
    maxConnections: 10,
    connections: () => load.connections,
    log,
    memoryShare: () => load.memory,
  })
  return { overload, load, lines }
}

describe('overload', () => {
  it('refuses at the connection limit and recovers by itself', () => {
    const { overload, load, lines } = setUp()
    load.connections = 9
    assert.equal(overload.admit(), true)
    load.connections = 10
    assert.deepEqual([overload.admit(), overload.admit()], [false, false])
    overload.check()
    load.connections = 9
    assert.equal(overload.admit(), true)
    overload.check()
    overload.check()
    assert.deepEqual(lines, [
      'warn overload: connection limit',
      'info overload (connection limit) is over',
    ])
  })

  it('refuses while memory is nearly used up', () => {
    const { overload, load, lines } = setUp()
    load.memory = 0.95
    overload.check()
    assert.equal(overload.admit(), false)
    load.memory = 0.5
    overload.check()
    assert.equal(overload.admit(), true)
    assert.deepEqual(lines, ['warn overload: memory', 'info overload (memory) is over'])
  })

  it('tells of failing accepts once, until one works again', () => {
    const { overload, lines } = setUp()
    const error = Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' })
    const bind = 'tcp/127.0.0.1:1' as BindKey
    overload.acceptFailed(bind, error)
    overload.acceptFailed(bind, error)
    overload.admit()
    overload.acceptFailed(bind, error)
    assert.deepEqual(lines, Array(2).fill('error cannot accept connections: accept EMFILE'))
  })
})
