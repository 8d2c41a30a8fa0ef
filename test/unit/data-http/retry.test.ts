/** Which answers and losses are tried again, and after which pause (GEP-1731). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Retries } from '../../../src/data/http/retry.ts'
import type { HttpRetry } from '../../../src/model/http.ts'
import { OUTCOMES, type Reason } from '../../../src/model/outcome.ts'

const RULE: HttpRetry = { codes: [503], attempts: 9, backoffMs: 10 }

describe('retries', () => {
  it('pause longer each time, up to a bound, and end with the attempts', () => {
    const retries = new Retries(RULE, 'GET')
    const pauses = Array.from({ length: 10 }, () => retries.afterStatus(503))
    assert.deepEqual(pauses, [10, 20, 40, 80, 160, 160, 160, 160, 160, undefined])
    assert.equal(retries.afterFailure('connect-refused'), undefined, 'all are used up')
  })

  it('are for listed statuses only', () => {
    assert.equal(new Retries(RULE, 'GET').afterStatus(500), undefined)
    assert.equal(new Retries({ ...RULE, codes: [] }, 'GET').afterStatus(503), undefined)
  })

  const afterLoss = (method: string, codes: readonly number[]): Reason[] =>
    (Object.keys(OUTCOMES) as Reason[])
      .filter((reason) => new Retries({ ...RULE, codes }, method).afterFailure(reason) === 10)
      .sort()
  const unsent = ['connect-failed', 'connect-refused', 'connect-timeout']

  it('repeat what was surely not carried out, whatever the method', () => {
    assert.deepEqual(afterLoss('POST', []), unsent)
    assert.deepEqual(afterLoss('PATCH', [503]), unsent)
  })

  it('repeat what may have been carried out for idempotent methods, or by its code', () => {
    const lost = ['backend-timeout', ...unsent, 'upstream-closed', 'upstream-reset']
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']) {
      assert.deepEqual(afterLoss(method, []), lost, method)
    }
    assert.deepEqual(afterLoss('POST', [502, 504]), lost)
    assert.deepEqual(afterLoss('POST', [503]), unsent)
    assert.deepEqual(afterLoss('POST', [504]), ['backend-timeout', ...unsent])
  })
})
