/**
 * Which build a process runs. Files may be replaced under a running daemon; a worker forked then
 * would speak another protocol, so its hello names its build and control refuses a foreign one.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Version of the package, the same from src/ and from dist/. */
export const BUILD: string = readVersion()

function readVersion(): string {
  const file = join(import.meta.dirname, '../../package.json')
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string }
  return version
}
