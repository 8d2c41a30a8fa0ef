/**
 * A directory with its parents. Node's own recursive mkdir goes round without end where the parents
 * exist and the directory cannot be: below /proc, or in a working directory that was removed.
 */
import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { errnoOf } from './errors.ts'

/** No error when it exists, or is made by others meanwhile. @throws the system's error */
export function makeDirectory(path: string, mode = 0o777): void {
  const failure = tryToMake(path, mode)
  if (failure === undefined) return
  const parent = dirname(path)
  if (errnoOf(failure) !== 'ENOENT' || parent === path) throw failure
  // Others may have made the parent since: once more in any case.
  if (!isDirectory(parent)) makeDirectory(parent, mode)
  const last = tryToMake(path, mode)
  if (last !== undefined) throw last
}

/** What failed; undefined: it is there. */
function tryToMake(path: string, mode: number): unknown {
  try {
    mkdirSync(path, { mode })
  } catch (error) {
    return errnoOf(error) === 'EEXIST' && isDirectory(path) ? undefined : error
  }
  return undefined
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}
