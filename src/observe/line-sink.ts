/**
 * Where log and access lines go: a file descriptor written without blocking. When the reader
 * stalls, lines are dropped and counted, never kept without bound; when it goes away (EPIPE) or a
 * disk is full, the lines are lost and the traffic is not. Owns the descriptors that it opens.
 */
import { closeSync, fstatSync, openSync, write } from 'node:fs'
import { errnoOf } from '../base/errors.ts'

export interface LineSink {
  /** `line` ends in a newline; bytes are copied. */
  write(line: string | Buffer): void
  /** Opened by its path: no terminal, whatever standard output is. */
  readonly isFile?: boolean
  /** Lines that were dropped: the reader did not keep up, or is gone. */
  readonly dropped: number
  /**
   * Opens the path anew after a rotation; a descriptor that was given stays. The error when that
   * fails: the lines go on to the old file.
   */
  reopen(): Error | undefined
  /** Resolves when all is written, or after `timeoutMs` when the reader stalls. May be called twice. */
  close(timeoutMs: number): Promise<void>
}

/** Beyond this much unwritten output new lines are dropped. */
const MAX_PENDING = 4 * 1024 * 1024
/** Whole lines up to PIPE_BUF at once are atomic: the lines of several workers do not mix. */
const MAX_PIPE_WRITE = 4096
/** To a file, or a device, every write is. */
const MAX_FILE_WRITE = 65_536
/** After a write lines are gathered for as long, since a write costs as much as many lines. */
const GATHER_MS = 10
/** A descriptor that somebody made non-blocking says EAGAIN instead of waiting. */
const RETRY_MS = 20

/** `target` is a descriptor, such as 1, or a path. Throws when the path cannot be opened. */
export function openLineSink(target: number | string): LineSink {
  return new BoundedSink(target)
}

/** Lines that are written at once. */
class Batch {
  readonly bytes: Buffer
  length = 0
  lines = 0

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafe(size)
  }

  add(line: string | Buffer, length: number): void {
    if (typeof line === 'string') this.bytes.write(line, this.length)
    else this.bytes.set(line, this.length)
    this.length += length
    this.lines += 1
  }
}

class BoundedSink implements LineSink {
  readonly #path: string | undefined
  #fd: number
  /** Opened by `reopen`, used from the next batch on. */
  #nextFd: number | undefined
  /** The last one is being filled. */
  #batches: Batch[] = []
  #pending = 0
  #maxWrite: number
  #writing = false
  #gathering: NodeJS.Timeout | undefined
  #dropped = 0
  /** Closing: all is written in one go then. */
  #idle: PromiseWithResolvers<void> | undefined

  constructor(target: number | string) {
    this.#path = typeof target === 'string' ? target : undefined
    this.#fd = typeof target === 'string' ? openSync(target, 'a', 0o640) : target
    this.#maxWrite = maxWriteTo(this.#fd)
  }

  get isFile(): boolean {
    return this.#path !== undefined
  }

  get dropped(): number {
    return this.#dropped
  }

  write(line: string | Buffer): void {
    const length = typeof line === 'string' ? Buffer.byteLength(line) : line.length
    if (this.#pending + length > MAX_PENDING) {
      this.#dropped++
      return
    }
    this.#batchFor(length).add(line, length)
    this.#pending += length
    if (this.#writing) return
    if (this.#gathering === undefined || this.#pending >= this.#maxWrite) this.#writeBatch()
  }

  reopen(): Error | undefined {
    if (this.#path === undefined) return undefined
    try {
      const fd = openSync(this.#path, 'a', 0o640)
      if (this.#nextFd !== undefined) closeSync(this.#nextFd)
      this.#nextFd = fd
      // Nobody else may write for long, and a rotated file is to be let go.
      if (!this.#writing) this.#useNextFd()
      return undefined
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error))
    }
  }

  close(timeoutMs: number): Promise<void> {
    if (!this.#writing) this.#writeBatch()
    if (!this.#writing) return Promise.resolve()
    // One descriptor may be two sinks to its users: each of them closes it.
    this.#idle ??= Promise.withResolvers()
    const { promise } = this.#idle
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      void promise.then(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  #batchFor(length: number): Batch {
    const last = this.#batches.at(-1)
    if (last !== undefined && last.length + length <= last.bytes.length) return last
    const batch = new Batch(Math.max(this.#maxWrite, length))
    this.#batches.push(batch)
    return batch
  }

  #writeBatch(): void {
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    this.#useNextFd()
    const batch = this.#batches.shift()
    if (batch === undefined) return
    this.#writing = true
    this.#pending -= batch.length
    this.#writeBytes(batch.bytes.subarray(0, batch.length), batch.lines)
  }

  /** Writes all of `bytes`, the rest of `lines` lines. */
  #writeBytes(bytes: Buffer, lines: number): void {
    write(this.#fd, bytes, 0, bytes.length, null, (error, written) => {
      if (error !== null && errnoOf(error) === 'EAGAIN') {
        setTimeout(() => this.#writeBytes(bytes, lines), RETRY_MS)
      } else if (error !== null) {
        this.#dropped += lines
        this.#onWritten()
      } else if (written < bytes.length) this.#writeBytes(bytes.subarray(written), lines)
      else this.#onWritten()
    })
  }

  #onWritten(): void {
    this.#writing = false
    if (this.#pending >= this.#maxWrite || this.#idle !== undefined) this.#writeBatch()
    else this.#gathering = setTimeout(() => this.#writeBatch(), GATHER_MS)
    if (!this.#writing) this.#idle?.resolve()
  }

  #useNextFd(): void {
    if (this.#nextFd === undefined) return
    closeSync(this.#fd)
    this.#fd = this.#nextFd
    this.#maxWrite = maxWriteTo(this.#fd)
    this.#nextFd = undefined
  }
}

function maxWriteTo(fd: number): number {
  try {
    const target = fstatSync(fd)
    return target.isFIFO() || target.isSocket() ? MAX_PIPE_WRITE : MAX_FILE_WRITE
  } catch {
    // A descriptor that is none: the write says so, and the line is dropped.
    return MAX_PIPE_WRITE
  }
}
