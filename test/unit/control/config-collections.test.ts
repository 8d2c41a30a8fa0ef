/** When the config thread collects its garbage: not beside the edits that follow a load. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it, mock } from 'node:test'
import { type Clock, systemClock } from '../../../src/base/clock.ts'
import { ConfigPasses } from '../../../src/control/config-passes.ts'
import { DEFAULT_OPTIONS } from '../../../src/translate/options.ts'
import { namespace } from '../../support/config-passes.ts'

it('collects a second after a long pass, whatever short ones follow, and once no more come', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gwproxy-config-'))
  after(() => rmSync(directory, { recursive: true }))
  writeFileSync(join(directory, 'a.yaml'), namespace('a'))
  mock.timers.enable({ apis: ['setTimeout'] })
  after(() => mock.timers.reset())
  let updates = 0
  // A pass takes half a second.
  let now = 0
  let step = 500
  const clock: Clock = { ...systemClock, monotonic: () => (now += step) }
  const roots = [directory]
  const passes = new ConfigPasses(
    {
      roots,
      unknownFields: 'reject',
      pollIntervalMs: 60_000,
      events: false,
      translate: DEFAULT_OPTIONS,
    },
    { pass: 0, manifest: undefined },
    clock,
    () => {
      updates += 1
    },
  )
  after(() => passes.stop())
  /** A pass; after how many milliseconds. */
  const reload = (): number => {
    const before = updates
    passes.reload(1)
    for (let ms = 0; ms < 100; ms++) {
      if (updates > before) return ms
      mock.timers.tick(1)
    }
    return assert.fail('no pass')
  }

  passes.start()
  step = 0
  const ms = reload()
  assert.equal(await collectsWithin(999 - ms), false)
  assert.equal(await collectsWithin(1), true)

  reload()
  assert.equal(await collectsWithin(20_000), false)
  reload()
  assert.equal(await collectsWithin(29_999), false)
  assert.equal(await collectsWithin(1), true)
  assert.equal(await collectsWithin(120_000), false)
})

async function collectsWithin(ms: number): Promise<boolean> {
  const held = new WeakRef({ garbage: true })
  // Until then it is kept, since it was made in this turn.
  await new Promise((resolve) => setImmediate(resolve))
  mock.timers.tick(ms)
  return held.deref() === undefined
}
