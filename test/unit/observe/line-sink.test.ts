/** The line sink is never in the way of the traffic: stalls, lost readers, rotations. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { until } from '../../support/until.ts'
import { openLineSink } from '../../../src/observe/line-sink.ts'

const MODULE = join(import.meta.dirname, '../../../src/observe/line-sink.ts')

describe('line sink', () => {
  const directory = mkdtempSync(join(tmpdir(), 'gwproxy-log-'))
  after(() => rmSync(directory, { recursive: true }))

  it('writes all lines by the time it is closed', async () => {
    const path = join(directory, 'all')
    const sink = openLineSink(openSync(path, 'w'))
    for (let i = 0; i < 1000; i++) sink.write(`line ${i}\n`)
    await sink.close(5000)
    assert.equal(readFileSync(path, 'utf8').split('\n').length, 1001)
  })

  it('is closed for each who closes it', { timeout: 10_000 }, async () => {
    const sink = openLineSink(join(directory, 'shared'))
    sink.write('line\n')
    await Promise.all([sink.close(60_000), sink.close(60_000)])
  })

  it('keeps no line back, whenever it comes', async () => {
    const path = join(directory, 'one-by-one')
    const sink = openLineSink(path)
    let written = ''
    for (const line of ['first\n', 'second\n', 'third\n']) {
      sink.write(line)
      written += line
      await until(() => readFileSync(path, 'utf8') === written)
    }
  })

  it('goes on in a new file after a rotation', async () => {
    const path = join(directory, 'rotated')
    const sink = openLineSink(path)
    sink.write('before\n')
    while (readFileSync(path, 'utf8') === '') await new Promise(setImmediate)
    renameSync(path, `${path}.1`)
    sink.reopen()
    sink.write('after\n')
    await sink.close(5000)
    assert.equal(readFileSync(`${path}.1`, 'utf8'), 'before\n')
    assert.equal(readFileSync(path, 'utf8'), 'after\n')
  })

  it('keeps to the old file when the new one cannot be opened', async () => {
    const path = join(directory, 'gone', 'log')
    mkdirSync(join(directory, 'gone'))
    const sink = openLineSink(path)
    renameSync(join(directory, 'gone'), join(directory, 'moved'))
    assert.match(String(sink.reopen()), /ENOENT/)
    sink.write('still\n')
    await sink.close(5000)
    assert.equal(readFileSync(join(directory, 'moved', 'log'), 'utf8'), 'still\n')
  })

  it('drops and counts when nobody reads, and does not hold the process at its end', async () => {
    const script = `
      import { openLineSink } from ${JSON.stringify(MODULE)}
      const sink = openLineSink(1)
      const line = 'x'.repeat(999) + '\\n'
      for (let i = 0; i < 50_000; i++) sink.write(line)
      await new Promise(setImmediate)
      for (let i = 0; i < 1000; i++) sink.write(line)
      const before = performance.now()
      await sink.close(200)
      process.stderr.write(JSON.stringify({
        dropped: sink.dropped,
        ms: performance.now() - before,
        heap: process.memoryUsage().heapUsed,
      }))
      process.exit(0)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    // Its stdout is never read.
    const [report] = (await once(child.stderr, 'data')) as [Buffer]
    const { dropped, ms, heap } = JSON.parse(report.toString())
    assert.ok(dropped > 40_000, `${dropped} dropped`)
    assert.ok(ms < 2000, `${ms} ms to close`)
    assert.ok(heap < 64 * 1024 * 1024, `${heap} bytes of heap`)
    child.stdout.destroy()
    const [code] = await once(child, 'exit')
    assert.equal(code, 0)
  })

  it('survives a reader that went away', async () => {
    const script = `
      import { openLineSink } from ${JSON.stringify(MODULE)}
      const sink = openLineSink(1)
      process.stdin.once('data', async () => {
        for (let i = 0; i < 100; i++) { sink.write('line\\n'); await new Promise(setImmediate) }
        await sink.close(1000)
        process.exit(7)
      })`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    child.stdout.destroy()
    await once(child.stdout, 'close')
    child.stdin.write('go')
    const [code] = await once(child, 'exit')
    assert.equal(code, 7)
  })
})
