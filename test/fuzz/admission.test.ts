import { describe, it } from 'node:test'
import { judge, prepare } from './admission.ts'

describe('fuzzing admission', () => {
  it('finds nothing in 2,000 cases of a fixed seed', async () => {
    const fuzz = await prepare()
    let state = 1
    // Numerical Recipes' linear congruential generator: a finding can be replayed.
    const below = (bound: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return Math.floor((state / 2 ** 32) * bound)
    }
    for (let i = 0; i < 2000; i++) fuzz({ below })
  })

  it('survives nesting and lengths that break naive parsers', () => {
    judge('['.repeat(20_000))
    judge(`a: ${'{b: '.repeat(5000)}`)
    judge(Array.from({ length: 2000 }, (_, depth) => `${' '.repeat(depth)}a:\n`).join(''))
    judge(`a: "${'x'.repeat(1_000_000)}`)
    judge('- '.repeat(5000))
    judge('&a '.repeat(1000))
  })
})
