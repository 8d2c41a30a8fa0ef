/** What we ask of V8 is there, and does what it says. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { choosesCompilers, collectGarbage, withoutTopCompiler } from '../../../src/base/engine.ts'

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

it('switches no compiler on that the process was started without', () => {
  for (const options of [
    '--jitless',
    '--no-opt',
    '--noopt',
    '--no_turbofan',
    '-r x --jitless -y',
  ]) {
    assert.equal(choosesCompilers(options), true, options)
  }
  for (const options of ['', '--no-optional', '--max-semi-space-size=8 --turbofan']) {
    assert.equal(choosesCompilers(options), false, options)
  }
  const module = join(import.meta.dirname, '../../../src/base/engine.ts')
  const script = `
    import { withoutTopCompiler } from ${JSON.stringify(module)}
    const hot = (n) => (n < 2 ? n : hot(n - 1) + hot(n - 2))
    withoutTopCompiler(() => hot(5))
    for (let count = 0; count < 5; count++) hot(27)
    console.log(%GetOptimizationStatus(hot))`
  const flags = ['--allow-natives-syntax', '--input-type=module', '-e', script]
  const statusOf = (...own: string[]): number => {
    const child = spawnSync(process.execPath, [...own, ...flags], { encoding: 'utf8' })
    assert.match(child.stdout, /^\d+\n$/, child.stderr)
    return Number(child.stdout)
  }
  assert.equal(statusOf('--no-turbofan') & TURBOFANNED, 0)
  // The same finds it where it may be.
  assert.notEqual(statusOf() & TURBOFANNED, 0)
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
