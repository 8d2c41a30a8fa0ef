import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs, {
  type MakeDirectoryOptions,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { makeDirectory } from '../../../src/base/make-directory.ts'

const MODULE = join(import.meta.dirname, '../../../src/base/make-directory.ts')

describe('makeDirectory', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'gwproxy-mkdir-'))
  after(() => rmSync(scratch, { recursive: true }))

  it('makes parents, with the mode, and takes what is there', () => {
    const path = join(scratch, 'a/b/c')
    makeDirectory(path, 0o700)
    makeDirectory(path)
    makeDirectory(`${scratch}/a/b/../d/`)
    for (const made of [path, join(scratch, 'a')]) assert.equal(statSync(made).mode & 0o777, 0o700)
    assert.ok(statSync(join(scratch, 'a/d')).isDirectory())
  })

  it('goes through links to directories', () => {
    mkdirSync(join(scratch, 'real'))
    symlinkSync('real', join(scratch, 'link'))
    makeDirectory(join(scratch, 'link/x'))
    assert.ok(statSync(join(scratch, 'real/x')).isDirectory())
  })

  for (const theirs of ['race-1/a', 'race-2/a/b']) {
    it(`goes on where others have made ${theirs} meanwhile`, ({ mock }) => {
      const { mkdirSync: make } = fs
      mock.method(fs, 'mkdirSync', (path: string, options: MakeDirectoryOptions) => {
        try {
          make(path, options)
        } catch (error) {
          make(join(scratch, theirs), { recursive: true })
          throw error
        }
      })
      syncBuiltinESMExports()
      const path = join(scratch, `${theirs.slice(0, 6)}/a/b`)
      makeDirectory(path)
      mock.restoreAll()
      syncBuiltinESMExports()
      assert.ok(statSync(path).isDirectory())
    })
  }

  it('says what is in the way', () => {
    writeFileSync(join(scratch, 'file'), '')
    assert.throws(() => makeDirectory(join(scratch, 'file')), { code: 'EEXIST' })
    assert.throws(() => makeDirectory(join(scratch, 'file/x')), { code: 'ENOTDIR' })
    symlinkSync('nowhere', join(scratch, 'dangling'))
    assert.throws(() => makeDirectory(join(scratch, 'dangling')), { code: 'EEXIST' })
  })

  it('ends where nothing can be made', () => {
    assert.throws(() => makeDirectory('/proc/no/such'), { code: 'ENOENT' })
    const script = `
      import { mkdtempSync, rmdirSync } from 'node:fs'
      import { makeDirectory } from ${JSON.stringify(MODULE)}
      const gone = mkdtempSync(${JSON.stringify(join(scratch, 'gone-'))})
      process.chdir(gone)
      rmdirSync(gone)
      try { makeDirectory('a/b') } catch (error) { console.log(error.code) }`
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      timeout: 20_000,
      encoding: 'utf8',
    })
    assert.equal(child.stdout, 'ENOENT\n', child.stderr)
  })
})
