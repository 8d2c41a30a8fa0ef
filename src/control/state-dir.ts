/**
 * --state-dir: small JSON documents that survive a restart (first-seen times, last good texts,
 * transition times, the secret of sessions). Written atomically, readable by our user only; never
 * holds the value of a Secret object.
 */
import {
  chmodSync,
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { errnoOf, GwProxyError, messageOf } from '../base/errors.ts'
import { makeDirectory } from '../base/make-directory.ts'

export interface StateDir {
  readonly path: string
  /** The document, or undefined when there is none or it is not JSON: a fresh start, never an error. */
  read(name: string): unknown
  /** @throws GwProxyError GWP_STATE_UNWRITABLE */
  write(name: string, value: unknown): void
}

/** @throws GwProxyError GWP_STATE_UNWRITABLE when the directory can be neither used nor made */
export function openStateDir(path: string): StateDir {
  try {
    makeDirectory(path, 0o700)
    chmodSync(path, 0o700)
  } catch (error) {
    throw unwritable(path, error)
  }
  return {
    path,
    read: (name) => readJson(join(path, `${name}.json`)),
    write: (name, value) => writeJson(join(path, `${name}.json`), value),
  }
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    if (errnoOf(error) === undefined || errnoOf(error) === 'ENOENT') return undefined
    throw new GwProxyError('GWP_STATE_UNWRITABLE', `cannot read ${file}: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

/** A reader sees the old document or the new one, also after a power cut. */
function writeJson(file: string, value: unknown): void {
  const temporary = `${file}.${process.pid}.tmp`
  try {
    const fd = openSync(temporary, 'w', 0o600)
    try {
      writeAll(fd, Buffer.from(JSON.stringify(value)))
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(temporary, file)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw unwritable(file, error)
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let offset = 0; offset < bytes.length; ) offset += writeSync(fd, bytes, offset)
}

function unwritable(path: string, cause: unknown): GwProxyError {
  const message = `cannot write ${path}: ${messageOf(cause)}; --state-dir must belong to our user`
  return new GwProxyError('GWP_STATE_UNWRITABLE', message, { cause })
}
