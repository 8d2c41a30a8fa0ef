/**
 * Where the program's own files are: src/ in a checkout, where Node strips the types; the bundles of
 * dist/ in the npm package (ADR 12).
 */
import { join } from 'node:path'

const IS_BUNDLED = !import.meta.filename.endsWith('.ts')

/** Bundles lie in dist/ as deep as this file in src/. */
export const PACKAGE_ROOT = join(import.meta.dirname, '../..')

/** Path of a file that is no code. `name`: below src/. */
export function programFile(name: string): string {
  return join(PACKAGE_ROOT, IS_BUNDLED ? 'dist' : 'src', name)
}

/** Path of what a process or a thread starts with. `name`: below src/, without its extension. */
export function entryPoint(name: 'control/config-thread' | 'data/worker-process'): string {
  return programFile(`${name}${IS_BUNDLED ? '.cjs' : '.ts'}`)
}
