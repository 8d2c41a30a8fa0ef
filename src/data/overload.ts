/**
 * When to refuse new connections so that the live ones go on: the connection cap (a share of
 * RLIMIT_NOFILE), failing accepts and a nearly full heap. Says so once, and once when it is over.
 */
import { getHeapStatistics } from 'node:v8'
import { errnoOf, messageOf } from '../base/errors.ts'
import type { BindKey } from '../model/identity.ts'
import type { Logger } from '../observe/log.ts'

/** Above this share of the heap limit new work would end in a crash that takes all. */
const HEAP_SHARE = 0.9

export interface OverloadOptions {
  /** A connection was closed unread. */
  readonly onRefused?: (reason: 'connection limit' | 'memory') => void
  readonly maxConnections: number
  readonly connections: () => number
  readonly log: Logger
  /** Share of the heap limit in use, 0 to 1. */
  readonly heapShare?: () => number
}

export class Overload {
  readonly #options: OverloadOptions
  readonly #heapShare: () => number
  #heapFull = false
  #acceptsFail = false
  /** Refused since overload began. */
  #refused = 0
  #reason: string | undefined

  constructor(options: OverloadOptions) {
    this.#options = options
    this.#heapShare = options.heapShare ?? heapShare
  }

  /** Whether a new connection may be served. */
  admit(): boolean {
    const { connections, maxConnections } = this.#options
    // An accept that worked shows that descriptors are there again.
    this.#acceptsFail = false
    if (connections() >= maxConnections) return this.#refuse('connection limit')
    if (this.#heapFull) return this.#refuse('memory')
    return true
  }

  /** libuv sheds what waits (its spare descriptor) and goes on accepting by itself. */
  acceptFailed(bind: BindKey, error: Error): void {
    if (this.#acceptsFail) return
    this.#acceptsFail = true
    const errno = errnoOf(error)
    this.#options.log.error({ bind, errno }, `cannot accept connections: ${messageOf(error)}`)
  }

  /** Called with every heartbeat: looks at the heap and tells when an overload is over. */
  check(): void {
    const { connections, maxConnections, log } = this.#options
    this.#heapFull = this.#heapShare() > HEAP_SHARE
    if (this.#reason === undefined || this.#heapFull || connections() >= maxConnections) return
    log.info({ refused: this.#refused }, `overload (${this.#reason}) is over`)
    this.#reason = undefined
    this.#refused = 0
  }

  #refuse(reason: 'connection limit' | 'memory'): false {
    this.#refused++
    this.#options.onRefused?.(reason)
    if (this.#reason === undefined) {
      this.#reason = reason
      this.#options.log.warn({ connections: this.#options.connections() }, `overload: ${reason}`)
    }
    return false
  }
}

function heapShare(): number {
  const { used_heap_size, heap_size_limit } = getHeapStatistics()
  return used_heap_size / heap_size_limit
}
