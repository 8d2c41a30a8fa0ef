/**
 * A directory with its parents. Node's own recursive mkdir goes round without end where the parents
 * exist and the directory cannot be: below /proc, or in a working directory that was removed.
 */
import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { errnoOf } from './errors.ts'

/** No error when it exists. @throws the system's error */
export function makeDirectory(path: string, mode = 0o777): void {
  try {
    mkdirSync(path, { mode })
    return
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'EEXIST' && isDirectory(path)) return
    const parent = dirname(path)
    if (errno !== 'ENOENT' || parent === path || isDirectory(parent)) throw error
    makeDirectory(parent, mode)
  }
  mkdirSync(path, { mode })
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}
