/**
 * Reads listed manifests as text, and again only when their stamp has changed. Bounds the size of
 * one file and of all together. What cannot be read is a diagnostic; its last content is not lost,
 * since identity.ts keeps what the file last gave.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import type { Digest } from '../base/brand.ts'
import { digestOfText } from '../base/digest.ts'
import { errnoOf, GwProxyError } from '../base/errors.ts'
import type { Diagnostic, DiagnosticCode } from '../model/diagnostic.ts'
import { type SourceEntry, stampOf, wholeFile } from './directory.ts'
import { describeUnreadable } from './path-walk.ts'

/** Whoever reads its text keeps what it makes of it: the text itself goes. */
export class SourceFile {
  readonly path: string
  readonly digest: Digest
  #text: string | undefined

  constructor(path: string, digest: Digest, text: string) {
    this.path = path
    this.digest = digest
    this.#text = text
  }

  /** @throws GwProxyError GWP_DEFECT_INVARIANT the second time */
  takeText(): string {
    const text = this.#text
    if (text === undefined) {
      throw new GwProxyError('GWP_DEFECT_INVARIANT', `the text of ${this.path} was taken before`)
    }
    this.#text = undefined
    return text
  }
}

export interface SourceLimits {
  readonly fileBytes: number
  readonly totalBytes: number
}

export const DEFAULT_SOURCE_LIMITS: SourceLimits = {
  fileBytes: 8 * 1024 * 1024,
  totalBytes: 128 * 1024 * 1024,
}

/**
 * A file written within this time of being read may be written again without a new time stamp
 * (the kernel's clock ticks every 1 to 10 ms), so its cache entry is not trusted.
 */
const RACY_MS = 100

interface Cached {
  readonly stamp: string
  readonly racy: boolean
  readonly file: SourceFile
}

export interface ReadResult {
  readonly files: readonly SourceFile[]
  readonly unreadable: readonly string[]
  /** Written to or removed since they were listed: what they last gave is kept until a calmer look. */
  readonly changing: readonly string[]
  readonly diagnostics: readonly Diagnostic[]
}

export class SourceCache {
  readonly #limits: SourceLimits
  #held: ReadonlyMap<string, Cached> = new Map()

  constructor(limits: SourceLimits = DEFAULT_SOURCE_LIMITS) {
    this.#limits = limits
  }

  /** `now`: wall clock, milliseconds since the epoch, comparable with file times. */
  read(entries: readonly SourceEntry[], now: number): ReadResult {
    const next = new Map<string, Cached>()
    const unreadable: string[] = []
    const changing: string[] = []
    const diagnostics: Diagnostic[] = []
    let left = this.#limits.totalBytes
    for (const entry of entries) {
      const read = this.#readOne(entry, Math.min(left, this.#limits.fileBytes), now)
      if (read.kind === 'text') {
        next.set(entry.path, read.cached)
        left -= entry.size
      } else if (read.kind === 'changing') changing.push(entry.path)
      else {
        unreadable.push(entry.path)
        diagnostics.push(read.diagnostic)
      }
    }
    this.#held = next
    return { files: [...next.values()].map(({ file }) => file), unreadable, changing, diagnostics }
  }

  #readOne(entry: SourceEntry, room: number, now: number): OneRead {
    const held = this.#held.get(entry.path)
    if (held !== undefined && held.stamp === entry.stamp && !held.racy) {
      return { kind: 'text', cached: held }
    }
    if (entry.size > room) return tooLarge(entry, this.#limits)
    try {
      const { bytes, stamp } = readFileBounded(entry.realPath, room)
      if (bytes === undefined) return tooLarge(entry, this.#limits)
      if (stamp !== entry.stamp) return { kind: 'changing' }
      const digest = digestOfText(bytes)
      const racy = Math.abs(now - entry.modifiedAt) < RACY_MS
      if (held?.file.digest === digest) {
        return { kind: 'text', cached: { stamp, racy, file: held.file } }
      }
      const text = decodeText(bytes)
      if (text === undefined) return notText(entry, bytes)
      return {
        kind: 'text',
        cached: { stamp, racy, file: new SourceFile(entry.path, digest, text) },
      }
    } catch (error) {
      // Removed since it was listed: the next look tells.
      if (errnoOf(error) === 'ENOENT') return { kind: 'changing' }
      const { message, help } = describeUnreadable(entry.path, error)
      return failed(entry, 'source-unreadable', message, help)
    }
  }
}

type OneRead =
  | { readonly kind: 'text'; readonly cached: Cached }
  | { readonly kind: 'changing' }
  | { readonly kind: 'failed'; readonly diagnostic: Diagnostic }

/** A manifest that is no file, such as standard input. */
export function textSource(name: string, text: string): SourceFile {
  return new SourceFile(name, digestOfText(text), text)
}

/** The text of UTF-8 bytes less a byte order mark, or undefined when they are not UTF-8 text. */
export function decodeText(bytes: Uint8Array): string | undefined {
  // A NUL is valid UTF-8, but never valid YAML: it betrays UTF-16 or a binary file.
  if (bytes.includes(0)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/**
 * The content of a regular file, or `bytes: undefined` when it is larger than `limit`. Never
 * blocks: a FIFO that took the file's place since the listing is opened without waiting.
 */
export function readFileBounded(
  path: string,
  limit: number,
): { readonly bytes: Uint8Array | undefined; readonly stamp: string } {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  try {
    const stat = fstatSync(fd, { bigint: true })
    const stamp = stampOf(stat)
    if (!stat.isFile()) throw new TypeError('not a regular file')
    if (stat.size > BigInt(limit)) return { bytes: undefined, stamp }
    return { bytes: readToEnd(fd, Number(stat.size), limit), stamp }
  } finally {
    closeSync(fd)
  }
}

/** The file may grow while it is read; one byte beyond the limit is enough to know. */
function readToEnd(fd: number, expected: number, limit: number): Uint8Array | undefined {
  let buffer = Buffer.allocUnsafe(Math.min(expected, limit) + 1)
  let length = 0
  for (;;) {
    const count = readSync(fd, buffer, length, buffer.length - length, null)
    if (count === 0) return buffer.subarray(0, length)
    length += count
    if (length > limit) return undefined
    if (length === buffer.length) {
      buffer = Buffer.concat([buffer], Math.min(buffer.length * 2, limit + 1))
    }
  }
}

function tooLarge(entry: SourceEntry, limits: SourceLimits): OneRead {
  const message =
    entry.size > limits.fileBytes
      ? `${entry.path} has ${entry.size} bytes; a file may have ${limits.fileBytes}`
      : `${entry.path} does not fit: all files together may have ${limits.totalBytes} bytes`
  return failed(entry, 'source-too-large', message, 'Split it, or move what is no manifest away.')
}

function notText(entry: SourceEntry, bytes: Uint8Array): OneRead {
  const utf16 = /^(fffe|feff|00.{2}00|.{2}00.{2}00)/.test(
    Buffer.from(bytes.subarray(0, 4)).toString('hex'),
  )
  const message = `${entry.path} is not UTF-8 text${utf16 ? ': it looks like UTF-16' : ''}`
  return failed(entry, 'yaml-syntax', message, 'Save it as UTF-8.')
}

function failed(
  entry: SourceEntry,
  code: DiagnosticCode,
  message: string,
  help: string | undefined,
): OneRead {
  const origin = wholeFile(entry.path)
  const diagnostic: Diagnostic = {
    severity: 'error',
    code,
    origin,
    message,
    ...(help === undefined ? {} : { help }),
  }
  return { kind: 'failed', diagnostic }
}
