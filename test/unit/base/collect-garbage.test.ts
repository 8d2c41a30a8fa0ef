/** What V8 has for tests is there, and collects. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { collectGarbage } from '../../../src/base/collect-garbage.ts'

it('what nobody holds any longer is gone', async () => {
  let collected = 0
  const registry = new FinalizationRegistry(() => {
    collected += 1
  })
  for (let count = 0; count < 100; count++) registry.register({ count }, undefined)
  collectGarbage()
  // Finalizers run in a task of their own.
  await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setImmediate(resolve))
  assert.ok(collected >= 99, String(collected))
  assert.equal('gc' in globalThis, false)
})
