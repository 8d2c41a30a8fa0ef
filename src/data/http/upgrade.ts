/**
 * WebSocket over HTTP/1.1 (RFC 6455): after a real 101 a byte relay between two sockets, with
 * half-close, reset and an idle limit. Before it no client byte is tunnelled. Owns both sockets.
 */
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Outcome } from '../../model/outcome.ts'
import { resetSocket } from '../io/relay-end.ts'
import { Deadline, type TimerSink, type TimerWheel } from '../timer-wheel.ts'
import type { Fields } from './fields.ts'
import { connectionTokens } from './normalize.ts'

/** A 101 that switches to WebSocket and says so in both fields (RFC 6455 section 4.1). */
export function isWebSocketAnswer(fields: Fields): boolean {
  return (
    fields.get('upgrade')?.toLowerCase() === 'websocket' &&
    connectionTokens(fields).includes('upgrade')
  )
}

export interface TunnelSink {
  /** To be reset where the outcome says so: only the sink reaches below the client's TLS. */
  onTunnelEnd(outcome: Outcome, received: number, sent: number): void
  /** A fault of ours. Nothing is closed yet. */
  onDefect(error: unknown): void
}

export class Tunnel implements TimerSink {
  readonly #downstream: Duplex
  readonly #upstream: Duplex
  readonly #idle: Deadline
  readonly #idleMs: number
  readonly #sink: TunnelSink
  #received = 0
  #sent = 0
  #open = 2
  #over = false

  constructor(
    downstream: Duplex,
    upstream: Duplex,
    wheel: TimerWheel,
    idleMs: number,
    sink: TunnelSink,
  ) {
    this.#downstream = downstream
    this.#upstream = upstream
    this.#idle = new Deadline(wheel, this)
    this.#idleMs = idleMs
    this.#sink = sink
  }

  start(): void {
    this.#idle.arm(this.#idleMs)
    this.#relay(this.#downstream, this.#upstream, (bytes) => {
      this.#received += bytes
    })
    this.#relay(this.#upstream, this.#downstream, (bytes) => {
      this.#sent += bytes
    })
    this.#watch(this.#downstream, this.#upstream, 'client-reset')
    this.#watch(this.#upstream, this.#downstream, 'upstream-reset')
  }

  /** Idempotent. */
  stop(): void {
    this.#over = true
    this.#idle.cancel()
    this.#downstream.destroy()
    this.#upstream.destroy()
  }

  onDeadline(): void {
    this.#end({ reason: 'idle-timeout' })
  }

  onDefect(error: unknown): void {
    this.#sink.onDefect(error)
  }

  /** A listener of this tunnel. */
  #on<Told>(socket: Duplex, event: string, act: (told: Told) => void): void {
    socket.on(event, (told: Told) => {
      try {
        act(told)
      } catch (error) {
        this.onDefect(error)
      }
    })
  }

  #relay(from: Duplex, to: Duplex, count: (bytes: number) => void): void {
    this.#on(from, 'data', (chunk: Buffer) => {
      count(chunk.length)
      this.#idle.arm(this.#idleMs)
      if (!to.write(chunk)) from.pause()
    })
    this.#on(to, 'drain', () => from.resume())
    this.#on(from, 'end', () => {
      to.end()
      this.#open -= 1
    })
  }

  #watch(socket: Duplex, other: Duplex, reason: 'client-reset' | 'upstream-reset'): void {
    this.#on(socket, 'error', (error: Error) => {
      this.#end({ reason, detail: error.message })
    })
    this.#on(socket, 'close', () => {
      if (this.#open === 0) this.#end({ reason: 'upgraded' })
      else if (!socket.readableEnded) this.#end({ reason })
      else other.end()
    })
  }

  #end(outcome: Outcome): void {
    if (this.#over) return
    const { reason } = outcome
    if (reason === 'client-reset' && this.#upstream instanceof Socket) resetSocket(this.#upstream)
    this.#over = true
    this.#sink.onTunnelEnd(outcome, this.#received, this.#sent)
    this.stop()
  }
}
