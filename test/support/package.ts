/**
 * What npm packs, where npm puts it: bundled, below node_modules, started by a link. Beside it is
 * nothing but the Node.js that it depends on, this checkout's, so that nothing needs a network.
 */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { command } from './command.ts'

const ROOT = resolve(import.meta.dirname, '../..')
/** What is not ours to pack, or not needed to. */
const LEFT_OUT = new Set(['node_modules', 'dist', 'test', 'tools'])

export interface InstalledPackage {
  readonly directory: string
  readonly launcher: string
}

/** Below `scratch`. Takes ten seconds. */
export async function installPackage(scratch: string): Promise<InstalledPackage> {
  const directory = join(scratch, 'lib/node_modules/gwproxy')
  const launcher = join(scratch, 'bin/gwproxy')
  const source = join(scratch, 'source')
  mkdirSync(source)
  for (const name of readdirSync(ROOT)) {
    if (LEFT_OUT.has(name) || (name.startsWith('.') && name !== '.npmrc')) continue
    cpSync(join(ROOT, name), join(source, name), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(source, 'node_modules'))
  const packed = await command('npm', ['pack', '--offline', '--pack-destination', scratch], {
    cwd: source,
    timeoutMs: 60_000,
  })
  assert.equal(packed.code, 0, packed.stderr)
  const tarball = readdirSync(scratch).find((name) => name.endsWith('.tgz')) ?? ''
  mkdirSync(directory, { recursive: true })
  mkdirSync(join(scratch, 'bin'))
  const untar = ['-xzf', join(scratch, tarball), '-C', directory, '--strip-components=1']
  assert.equal((await command('tar', untar)).code, 0)
  mkdirSync(join(directory, 'node_modules'))
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (!name.startsWith('node-linux-')) continue
    symlinkSync(join(ROOT, 'node_modules', name), join(directory, 'node_modules', name))
  }
  // As `npm install --global` links it.
  symlinkSync('../lib/node_modules/gwproxy/bin/gwproxy', launcher)
  return { directory, launcher }
}
