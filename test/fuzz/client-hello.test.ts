import { describe, it } from 'node:test'
import { prepare } from './client-hello.ts'
import { seededRandom } from './random.ts'

describe('fuzzing the ClientHello reader', () => {
  it('finds nothing in 20,000 cases of fixed seeds', async () => {
    const fuzz = await prepare()
    for (let seed = 0; seed < 20_000; seed++) fuzz(seededRandom(seed))
  })
})
