/**
 * When to refuse new connections so that the live ones go on: the connection cap (a share of
 * RLIMIT_NOFILE), failing accepts, and memory that is nearly used up. Says so once, and once when it
 * is over.
 */
import { errnoOf, messageOf } from '../base/errors.ts'
import type { BindKey } from '../model/identity.ts'
import type { Logger } from '../observe/log.ts'

/** Above this share of what there is new work would end in a crash that takes all. */
const MEMORY_SHARE = 0.9

export interface OverloadOptions {
  /** A connection was closed unread. */
  readonly onRefused?: (reason: 'connection limit' | 'memory') => void
  readonly maxConnections: number
  readonly connections: () => number
  readonly log: Logger
  /** Share of the memory in use, 0 to 1. */
  readonly memoryShare: () => number
}

export class Overload {
  readonly #options: OverloadOptions
  #memoryFull = false
  #acceptsFail = false
  /** Refused since overload began. */
  #refused = 0
  #reason: string | undefined

  constructor(options: OverloadOptions) {
    this.#options = options
  }

  /** Whether a new connection may be served. */
  admit(): boolean {
    const { connections, maxConnections } = this.#options
    // An accept that worked shows that descriptors are there again.
    this.#acceptsFail = false
    if (connections() >= maxConnections) return this.#refuse('connection limit')
    if (this.#memoryFull) return this.#refuse('memory')
    return true
  }

  /** libuv sheds what waits (its spare descriptor) and goes on accepting by itself. */
  acceptFailed(bind: BindKey, error: Error): void {
    if (this.#acceptsFail) return
    this.#acceptsFail = true
    const errno = errnoOf(error)
    this.#options.log.error({ bind, errno }, `cannot accept connections: ${messageOf(error)}`)
  }

  /** Called with every heartbeat: looks at the memory and tells when an overload is over. */
  check(): void {
    const { connections, maxConnections, memoryShare, log } = this.#options
    this.#memoryFull = memoryShare() > MEMORY_SHARE
    if (this.#reason === undefined || this.#memoryFull || connections() >= maxConnections) return
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
