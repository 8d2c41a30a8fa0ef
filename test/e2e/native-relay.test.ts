/**
 * The native relay beyond the contract of `data/io` (io-*.test.ts): random lives of connections under
 * sanitizers, without Node; and the tests of layer 4 on it.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { buildNativeRelay, NATIVE_SOURCES, run } from '../support/native-relay.ts'

const addon = buildNativeRelay()
const directory = mkdtempSync(join(tmpdir(), 'gwproxy-native-'))
const sources = readdirSync(NATIVE_SOURCES)
  .filter((name) => name.endsWith('.c') && name !== 'addon.c')
  .map((name) => join(NATIVE_SOURCES, name))
const stress = join(import.meta.dirname, '../native/stress.c')

describe('the native relay', { skip: addon === undefined && 'no C compiler' }, () => {
  after(() => rmSync(directory, { recursive: true }))

  for (const [name, flags, connections] of [
    ['address and undefined', ['-fsanitize=address,undefined', '-fno-sanitize-recover'], 600],
    ['thread', ['-fsanitize=thread'], 300],
  ] as const) {
    it(`is clean under the sanitizers for ${name}, whatever the peers do`, (context) => {
      const binary = join(directory, name.slice(0, 6))
      const options = ['-std=c11', '-g', '-O1', '-Wall', '-Wextra', '-Werror', '-pthread']
      const args = [...flags, ...options, '-o', binary, stress, ...sources]
      const built = spawnSync('cc', args, { encoding: 'utf8' })
      if (/cannot find .*san/.test(built.stderr))
        return context.skip('the sanitizer is not installed')
      assert.equal(built.status, 0, built.stderr)
      const seed = String(process.hrtime.bigint() % 1_000_000n)
      context.diagnostic(`seed ${seed}`)
      assert.match(run(binary, [seed, String(connections)]), /completed/)
    })
  }

  it('passes the tests of layer 4', () => {
    const files = readdirSync(import.meta.dirname)
      .filter((name) => name.startsWith('l4-'))
      .map((name) => join(import.meta.dirname, name))
    const { NODE_TEST_CONTEXT: _context, ...env } = process.env
    const { status, stdout } = spawnSync(
      process.execPath,
      ['--test', '--test-force-exit', '--test-reporter=spec', ...files],
      { encoding: 'utf8', env: { ...env, GWPROXY_IO: 'native' } },
    )
    assert.equal(status, 0, stdout)
  })
})
