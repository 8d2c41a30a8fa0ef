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
    const rounds = Number(process.argv[1])
    let isTurbofanned = false
    for (let count = 0; count < rounds && !isTurbofanned; count++) {
      hot(27)
      // Where its code is taken over.
      await new Promise((resolve) => setImmediate(resolve))
      isTurbofanned = (%GetOptimizationStatus(hot) & ${TURBOFANNED}) !== 0
    }
    console.log(isTurbofanned)`
  const flags = ['--allow-natives-syntax', '--input-type=module', '-e', script]
  const isTurbofanned = (rounds: number, ...own: string[]): boolean => {
    const options = [...own, ...flags, String(rounds)]
    const child = spawnSync(process.execPath, options, { encoding: 'utf8' })
    assert.match(child.stdout, /^(true|false)\n$/, child.stderr)
    return child.stdout === 'true\n'
  }
  assert.equal(isTurbofanned(20, '--no-turbofan'), false)
  // The same finds it where it may be, however late the compiler's thread is.
  assert.equal(isTurbofanned(Infinity), true)
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
