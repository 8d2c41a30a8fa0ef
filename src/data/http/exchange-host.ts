/** What an exchange is given: its connection, and what all exchanges of a worker share. */
import type { Clock } from '../../base/clock.ts'
import type { Limits } from '../../ipc/messages.ts'
import type { AccessLog } from '../../observe/access-log.ts'
import type { TimerWheel } from '../timer-wheel.ts'
import type { ByteBudget } from './byte-budget.ts'
import type { HttpDownstream } from './contract.ts'
import type { Mirrors } from './mirror.ts'
import type { TrustedProxies } from '../trusted-proxies.ts'

/** What all exchanges of a worker share. */
export interface HttpContext {
  readonly clock: Clock
  readonly wheel: TimerWheel
  readonly limits: Limits
  readonly trusted: TrustedProxies
  readonly accessLog: AccessLog
  readonly mirrors: Mirrors
  /** Bodies that are read whole before they go on. */
  readonly heldBodies: ByteBudget
  /** A fault of ours in a mirrored request, which cost that copy alone. */
  onDefect(error: unknown): void
}

/** The HTTP connection that an exchange belongs to. */
export interface ExchangeHost {
  readonly downstream: HttpDownstream
  readonly context: HttpContext
  /** No further exchange after this one. */
  readonly draining: boolean
  exchangeStarted(): void
  exchangeEnded(): void
}

/** As sent, for the log of a request that could not be read. */
export interface RequestLine {
  readonly method: string
  readonly target: string
  readonly authority: string
  readonly protocol: string
  readonly userAgent: string | undefined
}
