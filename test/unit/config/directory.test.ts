import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { isManifestName, listSources } from '../../../src/config/directory.ts'
import { SourceCache } from '../../../src/config/source-cache.ts'

const made: string[] = []
after(() => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true })
})

function directory(files: Readonly<Record<string, string>> = {}): string {
  const dir = mkdtempSync(join(tmpdir(), 'gwproxy-dir-'))
  made.push(dir)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(dir, name, '..'), { recursive: true })
    writeFileSync(join(dir, name), text)
  }
  return dir
}

function namesOf(roots: readonly string[]): string[] {
  return listSources(roots).entries.map(({ path }) => path.slice((roots[0] ?? '').length + 1))
}

describe('manifest names', () => {
  it('are .yaml, .yml and .json, less what editors leave behind', () => {
    for (const name of ['a.yaml', 'a.yml', 'a.json', 'A b.yaml', '4913.yaml']) {
      assert.ok(isManifestName(name), name)
    }
    const others =
      'a.txt yaml .a.yaml a.yaml~ .a.yaml.swp .#a.yaml #a.yaml# 4913 a.yaml.tmp a.yaml.bak a.YAML'
    for (const name of others.split(' ')) assert.ok(!isManifestName(name), name)
  })
})

describe('listing', () => {
  it('is recursive, in byte order, over several roots', () => {
    const one = directory({
      'b.yaml': '',
      'a/z.yml': '',
      'B.json': '',
      '.hidden/x.yaml': '',
      n: '',
    })
    const two = directory({ 'c.yaml': '' })
    assert.deepEqual(namesOf([one]), ['B.json', 'a/z.yml', 'b.yaml'])
    assert.equal(listSources([one, two, `${one}/`]).entries.length, 4)
  })

  it('takes a root that is a link, a root that is a file, and nested roots once', () => {
    const dir = directory({ 'sub/a.yaml': '', 'sub/plain.txt': '' })
    symlinkSync('sub', join(dir, 'link'))
    assert.deepEqual(namesOf([join(dir, 'link')]), ['a.yaml'])
    assert.equal(listSources([join(dir, 'sub/plain.txt')]).entries.length, 1)
    assert.equal(listSources([dir, join(dir, 'sub')]).entries.length, 1)
  })

  it('names a file by its own path, not by a link to it, and survives loops', () => {
    const dir = directory({ 'z/real.yaml': '' })
    symlinkSync('z', join(dir, 'a'))
    symlinkSync('z/real.yaml', join(dir, 'b.yaml'))
    symlinkSync('..', join(dir, 'z/up'))
    symlinkSync('self.yaml', join(dir, 'self.yaml'))
    const listing = listSources([dir])
    assert.deepEqual(
      listing.entries.map(({ path }) => path),
      [join(dir, 'z/real.yaml')],
    )
    assert.deepEqual(
      listing.diagnostics.map(({ message }) => message),
      [`${join(dir, 'self.yaml')} is a loop of symbolic links`],
    )
  })

  it('refuses links out of the roots, but follows them into another root', () => {
    const outside = directory({ 'a.yaml': '' })
    const dir = directory()
    symlinkSync(join(outside, 'a.yaml'), join(dir, 'out.yaml'))
    const refused = listSources([dir])
    assert.deepEqual(refused.entries, [])
    assert.match(refused.diagnostics[0]?.message ?? '', /outside of the configuration directory/)
    assert.deepEqual(refused.unreadable, [join(dir, 'out.yaml')])
    assert.deepEqual(listSources([dir, outside]).diagnostics, [])
  })

  it('never opens a FIFO or a socket', async () => {
    const dir = directory({ 'a.yaml': '' })
    assert.equal(spawnSync('mkfifo', [join(dir, 'pipe.yaml')]).status, 0)
    const server = createServer().listen(join(dir, 'socket.yaml'))
    await new Promise((resolve) => server.once('listening', resolve))
    const listing = listSources([dir])
    server.close()
    assert.equal(listing.entries.length, 1)
    const messages = listing.diagnostics.map(({ severity, message }) => `${severity} ${message}`)
    assert.deepEqual(messages.sort(), [
      `warning ${join(dir, 'pipe.yaml')} is a FIFO, not a file`,
      `warning ${join(dir, 'socket.yaml')} is a socket, not a file`,
    ])
  })

  it('says which root is missing', () => {
    const dir = directory()
    const listing = listSources([join(dir, 'nope')])
    assert.deepEqual(listing.unreadable, [join(dir, 'nope')])
    assert.deepEqual(
      listing.diagnostics.map(({ code, message }) => [code, message]),
      [['source-missing', `${join(dir, 'nope')} does not exist`]],
    )
  })
})

describe('reading', () => {
  const limits = { fileBytes: 100, totalBytes: 150 }

  function read(dir: string, cache = new SourceCache(limits)) {
    return cache.read(listSources([dir]).entries, 0)
  }

  it('bounds each file and all together, and reads the rest', () => {
    const dir = directory({
      'a.yaml': '#'.repeat(90),
      'b.yaml': '#'.repeat(101),
      'c.yaml': '#'.repeat(70),
      'd.yaml': '#'.repeat(60),
    })
    const result = read(dir)
    assert.deepEqual(
      result.files.map(({ path }) => path),
      [join(dir, 'a.yaml'), join(dir, 'd.yaml')],
    )
    assert.deepEqual(
      result.diagnostics.map(({ code }) => code),
      ['source-too-large', 'source-too-large'],
    )
  })

  it('takes UTF-8 with and without byte order mark, and nothing else', () => {
    const dir = directory({ 'bom.yaml': '\uFEFFa: 1' })
    writeFileSync(join(dir, 'latin1.yaml'), Buffer.from('a: \xe9', 'latin1'))
    writeFileSync(join(dir, 'nul.yaml'), 'a: \0')
    writeFileSync(join(dir, 'utf16.yaml'), Buffer.from('\uFEFFa: 1', 'utf16le'))
    const result = read(dir)
    assert.deepEqual(
      result.files.map((file) => file.takeText()),
      ['a: 1'],
    )
    assert.equal(result.diagnostics.length, 3)
    assert.match(result.diagnostics[2]?.message ?? '', /utf16.yaml .* looks like UTF-16/)
  })

  it('gives the same SourceFile until the content changes', () => {
    const dir = directory({ 'a.yaml': 'a: 1' })
    const cache = new SourceCache()
    const [first] = read(dir, cache).files
    assert.equal(read(dir, cache).files[0], first)
    writeFileSync(join(dir, 'a.yaml'), 'a: 1')
    assert.equal(read(dir, cache).files[0], first)
    writeFileSync(join(dir, 'a.yaml'), 'a: 2')
    assert.equal(read(dir, cache).files[0]?.takeText(), 'a: 2')
  })

  it('waits for a file that was removed since it was listed', () => {
    const dir = directory({ 'a.yaml': 'a: 1', 'b.yaml': 'b: 1' })
    const { entries } = listSources([dir])
    rmSync(join(dir, 'a.yaml'))
    const result = new SourceCache().read(entries, 0)
    assert.deepEqual(
      result.files.map((file) => file.takeText()),
      ['b: 1'],
    )
    assert.deepEqual(result.changing, [join(dir, 'a.yaml')])
    assert.deepEqual(result.diagnostics, [])
  })

  it('waits for a file that changed since it was listed', () => {
    const dir = directory({ 'a.yaml': 'a: 1\nb: 2' })
    const { entries } = listSources([dir])
    truncateSync(join(dir, 'a.yaml'), 4)
    const result = new SourceCache().read(entries, 0)
    assert.deepEqual(result.files, [])
    assert.deepEqual(result.changing, [join(dir, 'a.yaml')])
    assert.deepEqual(result.diagnostics, [])
  })
})
