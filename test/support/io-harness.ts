/**
 * A backend of `data/io` between test peers: what it accepts and dials is handed out, with all that
 * its sinks were told. The contract tests run the same cases for every backend.
 */
import { systemClock } from '../../src/base/clock.ts'
import { bindTcp } from '../../src/control/bind-tcp.ts'
import type { Accepted, AcceptedSink, LossCause } from '../../src/data/io/accepted.ts'
import type { AcceptSink, Dial, IoBackend, Relay } from '../../src/data/io/backend.ts'
import { createIoBackend, findIoSupport } from '../../src/data/io/choose.ts'
import type { DialOptions, DialReason, DialSink } from '../../src/data/io/dial.ts'
import type { RelayEnd } from '../../src/data/io/relay-end.ts'
import type { RelayReason, RelaySink } from '../../src/data/relay/stream.ts'
import { TimerWheel } from '../../src/data/timer-wheel.ts'
import type { Endpoint } from '../../src/model/upstream.ts'
import { createLogger } from '../../src/observe/log.ts'
import { openLineSink } from '../../src/observe/line-sink.ts'
import { buildNativeRelay } from './native-relay.ts'
import { dialTcp, type Listening, listenTcp, type Peer } from './sockets.ts'

export type BackendName = 'streams' | 'raw' | 'native'
/** `native` where there is a C compiler. */
export const BACKENDS: readonly BackendName[] =
  buildNativeRelay() === undefined ? ['streams', 'raw'] : ['streams', 'raw', 'native']

const PEEK_BYTES = 65_536

/** An accepted connection and what became of it. */
export class Held implements AcceptedSink {
  readonly accepted: Accepted
  /** All bytes of a peek, after each call. */
  readonly peeks: string[] = []
  lost: { readonly cause: LossCause; readonly detail: string } | undefined
  /** Whether the bytes of a peek are enough. */
  isEnough: (bytes: Buffer) => boolean = () => false
  readonly #waiters: (() => void)[] = []

  constructor(accepted: Accepted) {
    this.accepted = accepted
    accepted.watch(this)
  }

  onPeek(bytes: Buffer): boolean {
    this.peeks.push(bytes.toString('latin1'))
    this.#wake()
    return this.isEnough(bytes)
  }

  onLost(cause: LossCause, detail: string): void {
    if (this.lost !== undefined) throw new Error('lost twice')
    this.lost = { cause, detail }
    this.#wake()
  }

  /** Checked after everything that is told. */
  async until(fits: (held: this) => boolean): Promise<void> {
    while (!fits(this)) await new Promise<void>((resolve) => this.#waiters.push(resolve))
  }

  #wake(): void {
    for (const resolve of this.#waiters.splice(0)) resolve()
  }
}

export type DialEnd =
  | { readonly kind: 'connected'; readonly end: RelayEnd }
  | { readonly kind: 'failed'; readonly reason: DialReason; readonly detail: string }

export interface Dialling {
  readonly dial: Dial
  readonly outcome: Promise<DialEnd>
  /** Calls to the sink so far. */
  readonly told: () => number
}

export interface Pair {
  readonly client: Peer
  readonly server: Peer
  readonly held: Held
  readonly relay: Relay
  readonly over: Promise<RelayReason>
  /** Calls to the sink so far. */
  readonly told: () => number
  readonly defects: readonly unknown[]
}

export interface PairOptions {
  readonly idleMs?: number
  /** Taken as a socket before, as TLS would. */
  readonly isStream?: boolean
  /** Before the relay takes the ends. */
  readonly before?: (client: Peer, held: Held) => Promise<void>
}

export class IoHarness implements AcceptSink {
  readonly wheel = new TimerWheel(systemClock, 10)
  readonly io: IoBackend
  /** What the backend dials. */
  readonly target: Listening
  admits = true
  readonly #held: Held[] = []
  readonly #takers: ((held: Held) => void)[] = []
  readonly #port: number
  readonly #close: () => void

  static async open(name: BackendName): Promise<IoHarness> {
    const [support, target] = [await findIoSupport(), await listenTcp()]
    return new IoHarness(name, support, target)
  }

  private constructor(
    name: BackendName,
    support: Awaited<ReturnType<typeof findIoSupport>>,
    target: Listening,
  ) {
    const log = createLogger({ level: 'silent', format: 'json', sink: openLineSink('/dev/null') })
    this.io = createIoBackend(name, support, this.wheel, PEEK_BYTES, log)
    if (this.io.name !== name) throw new Error(`${name} cannot be had`)
    this.target = target
    const attempt = bindTcp('127.0.0.1', 0)
    if (attempt.kind === 'failed') throw new Error(attempt.error.message)
    const listening = this.io.accept(attempt.handle, this)
    if (listening === undefined) throw new Error('cannot listen')
    this.#port = attempt.port
    this.#close = () => listening.close()
  }

  admit(): boolean {
    return this.admits
  }

  onAccepted(accepted: Accepted): void {
    const held = new Held(accepted)
    const taker = this.#takers.shift()
    if (taker === undefined) this.#held.push(held)
    else taker(held)
  }

  onAcceptFailed(error: Error): void {
    throw error
  }

  get port(): number {
    return this.#port
  }

  accepts(): Promise<Held> {
    const held = this.#held.shift()
    return held === undefined
      ? new Promise((resolve) => this.#takers.push(resolve))
      : Promise.resolve(held)
  }

  /** A client, and our side of it. */
  async client(): Promise<readonly [client: Peer, held: Held]> {
    const client = await dialTcp(this.port)
    return [client, await this.accepts()]
  }

  dial(
    endpoint: Endpoint = { kind: 'ip', address: '127.0.0.1', port: this.target.port },
    options: Partial<Pick<DialOptions, 'preface' | 'timeoutMs' | 'relay'>> = {},
  ): Dialling {
    const { preface, timeoutMs = 5000, relay } = options
    const { promise: outcome, resolve } = Promise.withResolvers<DialEnd>()
    let told = 0
    const settle = (end: DialEnd): void => {
      told++
      resolve(end)
    }
    const sink: DialSink = {
      onConnected: (end) => settle({ kind: 'connected', end }),
      onDialFailed: (reason, detail) => settle({ kind: 'failed', reason, detail }),
      onDefect: (error) => {
        throw error
      },
    }
    const common = { tls: undefined, preface, timeoutMs }
    const all = relay === undefined ? common : { ...common, relay }
    const dial = this.io.dial(endpoint, all, sink)
    return { dial, outcome, told: () => told }
  }

  /** A client and a server with a relay between them, not yet started. */
  async pair({ idleMs = 60_000, isStream, before }: PairOptions = {}): Promise<Pair> {
    const [client, held] = await this.client()
    await before?.(client, held)
    const plan = { relay: { downstream: held.accepted, idleMs } }
    const upstream = await this.dial(undefined, isStream === true ? {} : plan).outcome
    if (upstream.kind === 'failed') throw new Error(upstream.detail)
    const server = await this.target.accepted()
    if (isStream === true) {
      const { socket, head } = held.accepted.takeSocket()
      if (head.length > 0) socket.unshift(head)
      held.accepted.putSecure(socket, held)
    }
    const { promise: over, resolve } = Promise.withResolvers<RelayReason>()
    let told = 0
    const defects: unknown[] = []
    const sink: RelaySink = {
      onRelayEnd: (reason) => {
        told++
        resolve(reason)
      },
      onDefect: (error) => {
        defects.push(error)
        relay.stop('reset')
      },
    }
    const relay = this.io.relay(held.accepted.takeRelayEnd(), upstream.end, idleMs, sink)
    return { client, server, held, relay, over, told: () => told, defects }
  }

  close(): void {
    this.wheel.stop()
    this.#close()
    this.io.close?.()
    this.target.close()
  }
}
