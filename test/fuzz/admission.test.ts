import { describe, it } from 'node:test'
import { judge } from './admission.ts'

describe('admission', () => {
  it('survives nesting and lengths that break naive parsers', () => {
    judge('['.repeat(20_000))
    judge(`a: ${'{b: '.repeat(5000)}`)
    judge(Array.from({ length: 2000 }, (_, depth) => `${' '.repeat(depth)}a:\n`).join(''))
    judge(`a: "${'x'.repeat(1_000_000)}`)
    judge('- '.repeat(5000))
    judge('&a '.repeat(1000))
  })
})
