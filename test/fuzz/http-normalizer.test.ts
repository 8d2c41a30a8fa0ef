import { describe, it } from 'node:test'
import { prepare } from './http-normalizer.ts'
import { seededRandom } from './random.ts'

describe('fuzzing the HTTP normaliser', () => {
  it('finds nothing in 50,000 cases of fixed seeds', async () => {
    const fuzz = await prepare()
    for (let seed = 1; seed <= 50_000; seed += 1) fuzz(seededRandom(seed))
  })
})
