/** Readiness, ticket roots, restarts, options: the small rules of control. */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { describe, it } from 'node:test'
import { defaultRunOptions } from '../../../src/control/options.ts'
import type { Settlement } from '../../../src/control/publisher.ts'
import { type ReadinessFacts, readinessOf, readyStatus } from '../../../src/control/readiness.ts'
import { onSignals } from '../../../src/control/signals.ts'
import { TicketRootKeeper } from '../../../src/control/ticket-root.ts'
import { bindKey } from '../../../src/model/identity.ts'

const SETTLED: Settlement = { revision: 1, generation: 1, results: [], refusals: [] }
const GOOD: ReadinessFacts = {
  draining: false,
  settlement: SETTLED,
  configFailure: undefined,
  workersUp: 2,
  workerProblems: [],
}
const FAILED_BIND = {
  bind: bindKey('tcp', '::', 443),
  error: { errno: 'EACCES', message: 'no permission' },
}

describe('readinessOf', () => {
  const cases: readonly (readonly [string, Partial<ReadinessFacts>, string, number, RegExp])[] = [
    ['all is well', {}, 'ready', 200, /^$/],
    ['nothing serves yet', { settlement: undefined }, 'starting', 503, /no configuration/],
    [
      'no worker is up',
      { workersUp: 0, workerProblems: ['worker 0 ended'] },
      'starting',
      503,
      /worker 0 ended/,
    ],
    ['draining', { draining: true }, 'draining', 503, /asked to stop/],
    [
      'a worker refused',
      { settlement: { ...SETTLED, refusals: ['no compile'] } },
      'degraded',
      200,
      /older configuration: no compile/,
    ],
    [
      'a bind failed',
      { settlement: { ...SETTLED, results: [FAILED_BIND] } },
      'degraded',
      200,
      /tcp\/\[::\]:443: no permission/,
    ],
    ['a worker loops', { workerProblems: ['worker 1 ended 3 times'] }, 'degraded', 200, /3 times/],
    ['no config thread', { configFailure: 'it died' }, 'degraded', 200, /it died/],
  ]
  for (const [name, facts, state, status, reason] of cases) {
    it(`${name}: ${state}`, () => {
      const report = readinessOf({ ...GOOD, ...facts })
      assert.equal(report.state, state)
      assert.equal(readyStatus(report), status)
      assert.match(report.reasons.join('\n'), reason)
    })
  }
})

describe('TicketRootKeeper', () => {
  it('the newest leads, the two before still open tickets, older ones are gone', () => {
    const keeper = new TicketRootKeeper()
    const first = keeper.roots
    assert.equal(first.length, 1)
    assert.equal(Buffer.from(first[0]?.secret ?? '', 'base64').length, 32)
    assert.match(first[0]?.id ?? '', /^[0-9a-f]{8}$/)
    const second = keeper.rotate()
    assert.deepEqual(second.slice(1), first)
    keeper.rotate()
    const fourth = keeper.rotate()
    assert.equal(fourth.length, 3)
    assert.equal(fourth.includes(first[0] ?? { id: '', secret: '' }), false)
    assert.equal(new Set(fourth.map(({ secret }) => secret)).size, 3)
  })
})

describe('options', () => {
  it('an empty token is none', () => {
    assert.equal(defaultRunOptions({ GWPROXY_ADMIN_TOKEN: '' }).adminToken, undefined)
  })

  it('take the first of the directories that systemd made', () => {
    const options = defaultRunOptions({
      STATE_DIRECTORY: '/var/lib/gwproxy:/var/lib/other',
      LOGS_DIRECTORY: '/var/log/gwproxy',
      CREDENTIALS_DIRECTORY: '/run/credentials/gwproxy.service',
    })
    assert.equal(options.stateDir, '/var/lib/gwproxy')
    assert.deepEqual(options.accessLog?.target, { path: '/var/log/gwproxy/access.log' })
    assert.equal(options.credentialsDirectory, '/run/credentials/gwproxy.service')
    const without = defaultRunOptions({ STATE_DIRECTORY: '' })
    assert.equal(without.stateDir, undefined)
    assert.equal(without.accessLog?.target, 'stdout')
    assert.equal(without.credentialsDirectory, undefined)
  })
})

describe('onSignals', () => {
  it('the first SIGTERM drains, the second exits; HUP and USR are neither', () => {
    const seen: string[] = []
    const self = new EventEmitter()
    const remove = onSignals(
      {
        drain: () => void seen.push('drain'),
        exitNow: (status) => void seen.push(`exit ${status}`),
        reload: () => void seen.push('reload'),
        reopenLogs: () => void seen.push('reopen'),
      },
      self,
    )
    const signals = ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGTERM', 'SIGTERM', 'SIGINT']
    for (const signal of signals) self.emit(signal)
    remove()
    for (const signal of signals) self.emit(signal)
    assert.deepEqual(seen, ['reload', 'reopen', 'reopen', 'drain', 'exit 143', 'exit 130'])
  })
})
