/** What we ask of V8 is there, and does what it says. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { collectGarbage, withoutTopCompiler } from '../../../src/base/engine.ts'

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

it('a hot function gets the code of the top compiler behind the work, not within', async () => {
  // Recursive: it calls itself instead of becoming a part of its caller.
  const hot = (n: number): number => (n < 2 ? n : hot(n - 1) + hot(n - 2))
  withoutTopCompiler(() => hot(32))
  assert.equal(isTopCompiled(hot), false)
  assert.throws(() => withoutTopCompiler(() => assert.fail('of the work')), /of the work/)
  while (!isTopCompiled(hot)) {
    hot(20)
    await new Promise((resolve) => setImmediate(resolve))
  }
})

function isTopCompiled(hot: (n: number) => number): boolean {
  setFlagsFromString('--allow-natives-syntax')
  const status: unknown = runInNewContext('(f) => %GetOptimizationStatus(f)')(hot)
  setFlagsFromString('--no-allow-natives-syntax')
  assert.ok(typeof status === 'number')
  return (status & TURBOFANNED) !== 0
}

/** Of V8's OptimizationStatus. */
const TURBOFANNED = 1 << 6
