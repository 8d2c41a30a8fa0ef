/** How configuration files change in the field, and that each way is noticed and nothing is lost. */
import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { ConfigBench, hasNames, namesIn, namespace } from '../support/config-passes.ts'

describe('a changed file', () => {
  it('is applied after an atomic rename, and editors leftovers are not', async () => {
    await using bench = new ConfigBench()
    bench.write('a.yaml', namespace('one'))
    bench.start()
    assert.deepEqual(namesIn(bench.last), ['one'])
    bench.write('a.yaml~', namespace('leftover'))
    bench.write('.a.yaml.swp', 'not yaml: [')
    bench.write('#a.yaml#', 'not yaml: [')
    bench.replace('a.yaml', namespace('two'))
    const update = await bench.until(hasNames('two'))
    assert.deepEqual(update.diagnostics, [])
  })

  it('is never seen half when it is truncated and then written in pieces', async () => {
    await using bench = new ConfigBench()
    const text = [namespace('a'), namespace('b'), namespace('c')]
    bench.write('all.yaml', text.join('---\n'))
    bench.start()
    const path = bench.path('all.yaml')
    writeFileSync(path, '')
    for (const part of [namespace('a', 'new'), '---\n', namespace('b', 'new'), '---\n']) {
      await pause(30)
      writeFileSync(path, part, { flag: 'a' })
    }
    await pause(30)
    writeFileSync(path, namespace('c', 'new'), { flag: 'a' })
    await bench.until((update) => JSON.stringify(update.objects).includes('new'))
    for (const update of bench.updates) assert.deepEqual(namesIn(update), ['a', 'b', 'c'])
  })

  it('that becomes empty deletes nothing until it has been empty for the grace time', async () => {
    await using bench = new ConfigBench()
    bench.write('a.yaml', namespace('a'))
    bench.write('b.yaml', namespace('b'))
    bench.start()
    const started = performance.now()
    bench.write('a.yaml', '')
    await bench.until(hasNames('b'))
    assert.ok(performance.now() - started > 1500)
  })

  it('that breaks keeps its last good version, and everything else moves on', async () => {
    await using bench = new ConfigBench()
    bench.write('a.yaml', namespace('a'))
    bench.start()
    bench.replace('a.yaml', 'apiVersion: v1\nkind: Namespace\nmetadata: {name: a')
    bench.replace('b.yaml', namespace('b'))
    const update = await bench.until(hasNames('a', 'b'))
    assert.equal(update.counts.stale, 1)
    assert.deepEqual(
      update.diagnostics.map(({ code }) => code),
      ['yaml-syntax'],
    )
    bench.replace('a.yaml', namespace('a', 'mended'))
    await bench.until(({ counts, diagnostics }) => counts.stale === 0 && diagnostics.length === 0)
  })

  it('that is a root itself is followed through renames', async () => {
    await using bench = new ConfigBench()
    bench.write('only.yaml', namespace('one'))
    bench.write('other.yaml', namespace('other'))
    bench.start({ roots: [bench.path('only.yaml')] })
    for (const name of ['two', 'three']) {
      bench.replace('only.yaml', namespace(name))
      await bench.until(hasNames(name))
    }
  })

  it('is one pass for a thousand events', async () => {
    await using bench = new ConfigBench()
    bench.write('a.yaml', namespace('a'))
    bench.start()
    await bench.rescan(1)
    const before = bench.updates.length
    for (let i = 0; i < 1000; i++) bench.replace('a.yaml', namespace(`n${i}`))
    await bench.until(hasNames('n999'))
    assert.ok(bench.updates.length - before <= 3, `${bench.updates.length - before} passes`)
  })
})

describe('a directory', () => {
  it('swapped below ..data, as Kubernetes mounts do, is read once and anew', async () => {
    await using bench = new ConfigBench()
    mkdirSync(bench.path('..2026_1'))
    bench.write('..2026_1/a.yaml', namespace('old'))
    symlinkSync('..2026_1', bench.path('..data'))
    symlinkSync('..data/a.yaml', bench.path('a.yaml'))
    bench.start()
    assert.deepEqual(namesIn(bench.last), ['old'])
    assert.deepEqual(bench.last.diagnostics, [])
    mkdirSync(bench.path('..2026_2'))
    bench.write('..2026_2/a.yaml', namespace('new'))
    symlinkSync('..2026_2', bench.path('..data_tmp'))
    renameSync(bench.path('..data_tmp'), bench.path('..data'))
    rmSync(bench.path('..2026_1'), { recursive: true })
    const update = await bench.until(hasNames('new'))
    assert.deepEqual(update.diagnostics, [])
  })

  it('that is a retargeted link is found by the poll, and watched from then on', async () => {
    await using bench = new ConfigBench()
    for (const name of ['v1', 'v2']) {
      mkdirSync(bench.path(name))
      bench.write(`${name}/a.yaml`, namespace(name))
    }
    symlinkSync('v1', bench.path('current'))
    bench.start({ roots: [bench.path('current')], pollIntervalMs: 100 })
    assert.deepEqual(namesIn(bench.last), ['v1'])
    symlinkSync('v2', bench.path('next'))
    renameSync(bench.path('next'), bench.path('current'))
    await bench.until(hasNames('v2'))
    bench.replace('v2/a.yaml', namespace('edited'))
    await bench.until(hasNames('edited'))
  })

  it('that is missing keeps all that it gave, and is followed when it is back', async () => {
    await using bench = new ConfigBench()
    const root = bench.path('conf')
    mkdirSync(root)
    writeFileSync(join(root, 'a.yaml'), namespace('a'))
    bench.start({ roots: [root], pollIntervalMs: 100 })
    rmSync(root, { recursive: true })
    const missing = await bench.until(({ diagnostics }) => diagnostics.length > 0)
    assert.deepEqual(namesIn(missing), ['a'])
    assert.equal(missing.diagnostics[0]?.code, 'source-missing')
    mkdirSync(root)
    writeFileSync(join(root, 'b.yaml'), namespace('b'))
    const back = await bench.until(hasNames('b'))
    assert.deepEqual(back.diagnostics, [])
    writeFileSync(join(root, 'c.yaml'), namespace('c'))
    await bench.until(hasNames('b', 'c'))
  })

  it('that was renamed away and replaced is noticed', async () => {
    await using bench = new ConfigBench()
    for (const name of ['conf', 'staged']) {
      mkdirSync(bench.path(name))
      bench.write(`${name}/a.yaml`, namespace(name))
    }
    bench.start({ roots: [bench.path('conf')], pollIntervalMs: 100 })
    renameSync(bench.path('conf'), bench.path('gone'))
    renameSync(bench.path('staged'), bench.path('conf'))
    await bench.until(hasNames('staged'))
  })

  it('without events is followed by the poll alone', async () => {
    await using bench = new ConfigBench()
    bench.write('a.yaml', namespace('a'))
    bench.start({ events: false, pollIntervalMs: 50 })
    bench.replace('a.yaml', namespace('b'))
    await bench.until(hasNames('b'))
    mkdirSync(bench.path('deep/er'), { recursive: true })
    bench.write('deep/er/c.yml', namespace('c'))
    await bench.until(hasNames('b', 'c'))
  })
})

describe('a rescan', () => {
  it('is answered although nothing has changed', async () => {
    await using bench = new ConfigBench()
    bench.write('a.yaml', namespace('a'))
    bench.start({ events: false })
    const { manifest } = bench.last
    const update = await bench.rescan(1)
    assert.ok(update.pass >= 2)
    assert.deepEqual(update.manifest, manifest)
    assert.deepEqual(update.parts, [])
    const { objects } = update
    assert.ok(objects.kind === 'edit')
    assert.deepEqual([objects.removed, objects.inserted, objects.changed], [0, [], []])
  })
})

/** The pause itself is what is tested: a writer that is slower than the settle time. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
