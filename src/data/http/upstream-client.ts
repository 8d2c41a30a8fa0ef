/**
 * One interface to all upstream protocols (decision 5): a request head and a body source go in,
 * events come out. Implemented by client-h1 and client-h2.
 */
import type { Duplex } from 'node:stream'
import type { Reason } from '../../model/outcome.ts'
import type { Closable } from '../upstream/contract.ts'

/** As much of a Readable as sends one. It flows from `resume` on, when all listeners are there. */
export interface UpstreamBody {
  on(event: 'data', listener: (chunk: Buffer) => void): unknown
  /** `close` without `end` before it: the rest will not come. */
  on(event: 'end' | 'close', listener: () => void): unknown
  off(event: 'data', listener: (chunk: Buffer) => void): unknown
  off(event: 'end' | 'close', listener: () => void): unknown
  pause(): unknown
  resume(): unknown
  destroy(): unknown
}

export interface UpstreamRequest {
  readonly method: string
  /** Path and query. */
  readonly target: string
  /** Value of Host or `:authority`. */
  readonly host: string
  /** Flat, without Host and framing. */
  readonly fields: readonly string[]
  /** undefined: no body. */
  readonly body: UpstreamBody | undefined
  /** undefined: unknown, or no body. */
  readonly contentLength: number | undefined
  /** Ask for a WebSocket (RFC 6455); the answer is `onUpgrade` or an ordinary response. */
  readonly websocket: boolean
}

export interface UpstreamFailure {
  readonly reason: Reason
  readonly detail: string
  /** No byte of the request can have reached the upstream. */
  readonly unsent: boolean
}

/** Exactly one of `onEnd`, `onUpgrade` and `onError` comes last, unless the call was aborted. */
export interface UpstreamEvents {
  /** Connected: the request is being written. */
  onConnected(): void
  onInformation(status: number, rawFields: readonly string[]): void
  /** `isWhole`: neither body nor trailers follow, and the framing said so already. */
  onHead(status: number, rawFields: readonly string[], isWhole: boolean): void
  /** `isLent`: its bytes are the upstream's again after the call. */
  onData(chunk: Uint8Array, isLent: boolean): void
  /** The response is complete, as its framing says. */
  onEnd(rawTrailers: readonly string[]): void
  onUpgrade(rawFields: readonly string[], socket: Duplex): void
  onError(failure: UpstreamFailure): void
  /** A fault of ours; no other event follows. */
  onDefect(error: unknown): void
}

export interface UpstreamCall {
  /** Stop and go on reading the response. */
  pause(): void
  resume(): void
  /** No further events. */
  abort(): void
}

export interface UpstreamClient extends Closable {
  /** Never throws: what cannot be sent is an `onError` after this call has returned. */
  request(request: UpstreamRequest, events: UpstreamEvents): UpstreamCall
}
