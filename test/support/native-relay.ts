/**
 * The native relay for tests: built once into the system's temporary directory, and what this process
 * and its children load. Where there is no C compiler the tests of it are left out.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const NATIVE_SOURCES: string = join(import.meta.dirname, '../../native')

/** Its path. undefined: no C compiler. Throws when it does not compile. */
export function buildNativeRelay(): string | undefined {
  const given = process.env['GWPROXY_NATIVE']
  if (given !== undefined) return given
  if (!hasCompiler()) return undefined
  const hash = createHash('sha256').update(process.version)
  for (const name of readdirSync(NATIVE_SOURCES).sort()) {
    if (!name.endsWith('.node')) hash.update(readFileSync(join(NATIVE_SOURCES, name)))
  }
  const path = join(tmpdir(), `gwproxy-relay-${hash.digest('hex').slice(0, 16)}.node`)
  if (!existsSync(path)) {
    // Files of tests run at the same time: the last one in place wins, all are equal.
    const own = `${path}.${process.pid}`
    run(join(NATIVE_SOURCES, 'build'), [own])
    renameSync(own, path)
  }
  process.env['GWPROXY_NATIVE'] = path
  return path
}

export function hasCompiler(): boolean {
  return spawnSync('cc', ['--version']).status === 0
}

/** What it prints. Throws with its errors. */
export function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${status}\n${stdout}${stderr}`)
  return stdout
}
