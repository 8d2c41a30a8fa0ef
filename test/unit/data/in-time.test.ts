/** The time of a test at the start: what answers counts, what is silent ends, a busy process waits. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { inTime } from '../../../src/data/in-time.ts'

it('gives what the trial gives', async () => {
  assert.equal(await inTime(Promise.resolve(1), 1), 1)
  await assert.rejects(inTime(Promise.reject(new Error('own')), 1), /^Error: own$/)
})

it('ends what gives no answer', async () => {
  await assert.rejects(inTime(new Promise(() => {}), 1), /no answer in time/)
})

it('lets a process that was kept busy have its turns', async () => {
  const busy = async (): Promise<string> => {
    for (let turn = 0; turn < 4; turn += 1) {
      const until = performance.now() + 20
      while (performance.now() < until);
      await new Promise(setImmediate)
    }
    return 'done'
  }
  // 80 ms of work within 10 ms, in fewer turns than looks.
  assert.equal(await inTime(busy(), 1), 'done')
})
