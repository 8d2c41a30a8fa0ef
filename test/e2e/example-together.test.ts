/** All examples in one directory, served by one daemon: each still does what its text says. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { describe, it } from 'node:test'
import { checkExample, EXAMPLES, withExamples } from '../support/examples/example.ts'
import { HTTP_EXAMPLES } from '../support/examples/http.ts'
import { MACHINE_EXAMPLES } from '../support/examples/machine.ts'
import { TLS_EXAMPLES } from '../support/examples/tls.ts'

const ALL = [...HTTP_EXAMPLES, ...TLS_EXAMPLES, ...MACHINE_EXAMPLES]

describe('the examples together', () => {
  it('are all folders that there are', () => {
    const folders = readdirSync(EXAMPLES, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
    assert.deepEqual(ALL.map(({ name }) => name).sort(), folders.sort())
  })

  // All at once on a small machine: the bound of a single test would be tight.
  it('do what their texts say, each beside the others', { timeout: 300_000 }, () =>
    withExamples(ALL, async (running) => {
      await Promise.all([...running].map(([example, one]) => checkExample(example, one)))
    }),
  )
})
