/** Examples as their texts tell them, each alone in its directory: test/support/examples/machine.ts. */
import { describe, it } from 'node:test'
import { checkExample, withExamples } from '../support/examples/example.ts'
import { MACHINE_EXAMPLES } from '../support/examples/machine.ts'

describe('an example alone', () => {
  for (const example of MACHINE_EXAMPLES) {
    it(`${example.name} does what its text says`, () =>
      withExamples([example], async (running) => {
        for (const one of running.values()) await checkExample(example, one)
      }))
  }
})
