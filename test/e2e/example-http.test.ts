/** Examples as their texts tell them, each alone in its directory: test/support/examples/http.ts. */
import { describe, it } from 'node:test'
import { checkExample, withExamples } from '../support/examples/example.ts'
import { HTTP_EXAMPLES } from '../support/examples/http.ts'

describe('an example alone', () => {
  for (const example of HTTP_EXAMPLES) {
    it(`${example.name} does what its text says`, () =>
      withExamples([example], async (running) => {
        for (const one of running.values()) await checkExample(example, one)
      }))
  }
})
