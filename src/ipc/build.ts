/**
 * Which build a process runs. Files may be replaced under a running daemon; a worker or a thread
 * started then would speak another protocol, so that it names its build and control refuses a
 * foreign one (ADR 11).
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** src/ or dist/. */
const CODE = join(import.meta.dirname, '..')

/** Of the package. */
export const VERSION: string = readVersion()

/** `0.1.0+2837462910`: the version, and what tells its builds apart, as semver's build metadata. */
export const BUILD: string = `${VERSION}+${readMark(CODE)}`

/** What is said when a part of the program is of another build than the process that needs it. */
export function foreignBuild(part: string, theirs: string, ours: string): string {
  return (
    `the program was replaced: its ${part} gwproxy ${theirs}, this process is ${ours}. ` +
    'What runs goes on; "gwproxy upgrade" or a restart brings the new one'
  )
}

/**
 * `npm run build` leaves a checksum of everything. A checkout has none and is told by when files came
 * and went in its directories, as git, npm and most editors replace them: a tenth of what a look at
 * each file costs (2 ms and 15 ms).
 */
export function readMark(code: string): string {
  try {
    return readFileSync(join(code, 'build-mark'), 'utf8').trim()
  } catch {
    return Math.floor(newest(code)).toString(36)
  }
}

/** When something last came to this directory or one below it, or went; milliseconds since the epoch. */
function newest(directory: string): number {
  const below = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => newest(join(directory, name)))
  return Math.max(statSync(directory).mtimeMs, ...below)
}

function readVersion(): string {
  const text = readFileSync(join(CODE, '../package.json'), 'utf8')
  const { version } = JSON.parse(text) as { readonly version: string }
  return version
}
