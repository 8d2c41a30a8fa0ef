/** A machine without inotify watches left: one warning, and the poll finds the changes. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { after, before, describe, it, mock } from 'node:test'
import { ConfigBench, hasNames, namespace } from '../support/config-passes.ts'

describe('a machine without inotify watches left', () => {
  before(() => {
    mock.method(fs, 'watch', () => {
      throw Object.assign(new Error('ENOSPC: System limit for number of file watchers reached'), {
        code: 'ENOSPC',
      })
    })
    syncBuiltinESMExports()
  })

  after(() => {
    mock.restoreAll()
    syncBuiltinESMExports()
  })

  it('finds changes by its poll, and says so once', async () => {
    await using bench = new ConfigBench()
    for (const name of ['a', 'b', 'c']) bench.write(`${name}.yaml`, namespace(name))
    bench.start({ pollIntervalMs: 200 })
    const { diagnostics } = await bench.until((update) => update.diagnostics.length > 0)
    assert.deepEqual(
      diagnostics.map(({ severity, message }) => [severity, message.replace(/\(.*\)/, '(…)')]),
      [['warning', 'file events are lost (…); changes are found within 0.2 s']],
    )
    assert.match(diagnostics[0]?.help ?? '', /max_user_watches/)
    await bench.rescan(1)
    bench.replace('a.yaml', namespace('edited'))
    const edited = await bench.until(hasNames('edited', 'b', 'c'))
    assert.equal(edited.diagnostics.length, 1)
  })
})
