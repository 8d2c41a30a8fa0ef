/** Examples as their texts tell them, each alone in its directory: test/support/examples/tls.ts. */
import { describe, it } from 'node:test'
import { checkExample, withExamples } from '../support/examples/example.ts'
import { TLS_EXAMPLES } from '../support/examples/tls.ts'

/** Served by two processes: nothing in their checks counts what one process would know alone. */
const BY_WORKERS = ['mtls', 'websocket']

describe('an example alone', () => {
  for (const example of TLS_EXAMPLES) {
    const workers = BY_WORKERS.includes(example.name) ? 2 : 0
    it(`${example.name} does what its text says, with --workers ${workers}`, () =>
      withExamples(
        [example],
        async (running) => {
          for (const one of running.values()) await checkExample(example, one)
        },
        workers,
      ))
  }
})
