/** Every fuzz target for a moment, by fixed seeds; `npm run fuzz` goes on for as long as one likes. */
import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { describe, it } from 'node:test'
import { command } from '../support/command.ts'
import { runCampaign } from './campaign.ts'
import { TARGETS } from './targets.ts'

const ITERATIONS: Readonly<Record<string, number>> = {
  'client-hello': 20_000,
  admission: 2_000,
  'http-normalizer': 50_000,
  http2: 20_000,
  'http2-server': 3_000,
  'http2-client': 3_000,
  'check-response': 50_000,
  'proxy-protocol': 50_000,
}

describe('fuzzing', () => {
  for (const target of TARGETS) {
    it(`finds nothing in ${target.name}`, async () => {
      const iterations = ITERATIONS[target.name]
      assert.ok(iterations !== undefined, 'a number of cases for the target')
      assert.equal(await runCampaign(target, { firstSeed: 1, iterations }), iterations)
    })
  }

  it('names the seed of a finding, and repeats it', async () => {
    const target = {
      name: 'sevens',
      prepare: async () => (random: { below(bound: number): number }) => {
        if (random.below(10) === 7) throw new Error('a seven')
      },
    }
    const found: Error = await runCampaign(target, { firstSeed: 1, seconds: 10 }).then(
      () => assert.fail('there is a seven'),
      (error) => error,
    )
    const firstSeed = Number(/^sevens: seed (\d+) /.exec(found.message)?.[1])
    await assert.rejects(runCampaign(target, { firstSeed, iterations: 1 }), {
      message: found.message,
    })
  })

  it('is a command with a budget', async () => {
    const run = resolve(import.meta.dirname, 'run.ts')
    const { code, stdout } = await command(process.execPath, [
      ...[run, 'client-hello', '--iterations', '10', '--seed', '5'],
    ])
    assert.equal(stdout, 'client-hello: 10 cases from seed 5, nothing found\n')
    assert.equal(code, 0)
    assert.equal((await command(process.execPath, [run, 'nothing'])).code, 2)
  })
})
