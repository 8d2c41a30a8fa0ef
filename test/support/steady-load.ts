/**
 * Requests at a fixed rate over every kind of connection: what a client would have noticed. None is
 * tried twice but an HTTP/2 stream that was refused, as every client does (RFC 9113 section 8.7: it
 * was not processed; Node's client refuses by itself what it had not sent when GOAWAY came), and what
 * was sent on a kept connection by a client that had stood still itself, for so long that the server
 * may have closed it (RFC 9110 section 9.2.2). HTTP/1.1 keep-alive, HTTP/1.1 on connections of their
 * own, HTTP/2 over TLS, and TLS passthrough to its handshake and first bytes.
 */
import { Agent, request as httpRequest } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import http2 from 'node:http2'
import tls from 'node:tls'

export interface LoadTarget {
  readonly address: string
  readonly httpPort: number
  readonly tlsPort: number
  /** A terminated name and one that is passed through. */
  readonly h2Name: string
  readonly passthroughName: string
  readonly ca: string
}

export interface LoadResult {
  readonly requests: Readonly<Record<Kind, number>>
  /** `kind: what went wrong`, one for each failed request. */
  readonly failures: readonly string[]
  /** Streams and requests that were begun again on another connection. */
  readonly refused: number
  readonly slowestMs: number
}

type Kind = 'keep-alive' | 'new' | 'h2' | 'passthrough'

/** Ten at once, every 20 ms: 500 in a second. */
const BATCH: readonly Kind[] = [
  ...(['keep-alive', 'new', 'h2', 'keep-alive', 'new', 'h2'] as const),
  ...(['keep-alive', 'new', 'h2', 'passthrough'] as const),
]
const EVERY_MS = 20
/** Of one request. */
const MAX_REFUSALS = 5
/** A client that is late by so much has been silent for half a second, all in all: gwproxy's patience. */
const STOOD_STILL_MS = 250
/** How long what it sends then may take to fail. */
const FAILS_MS = 2000
/** Beyond this a client would have given up. */
const PATIENCE_MS = 20_000
/** A second's worth. Where the machine falls behind by more, clients and backends are what fails. */
const MAX_RUNNING = 500

export class SteadyLoad {
  readonly #target: LoadTarget
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8, scheduling: 'fifo' })
  readonly #running = new Set<Promise<void>>()
  readonly #requests: Record<Kind, number> = { 'keep-alive': 0, new: 0, h2: 0, passthrough: 0 }
  readonly #failures: string[] = []
  readonly #timer: NodeJS.Timeout
  #session: http2.ClientHttp2Session | undefined
  #slowestMs = 0
  #refused = 0
  #due = performance.now()
  /** When this process was late last. */
  #lateAt = -Infinity

  constructor(target: LoadTarget) {
    this.#target = target
    this.#timer = setInterval(() => this.#tick(), EVERY_MS)
  }

  /** Resolves when everything that was asked before this call has its end. */
  async caughtUp(): Promise<void> {
    await Promise.all(this.#running)
  }

  /** Resolves when everything that was asked has its end. */
  async stop(): Promise<LoadResult> {
    clearInterval(this.#timer)
    await Promise.all(this.#running)
    this.#agent.destroy()
    this.#session?.destroy()
    return {
      requests: this.#requests,
      failures: this.#failures,
      refused: this.#refused,
      slowestMs: this.#slowestMs,
    }
  }

  /** A late timer is made up for: the rate is kept, as long as the answers keep up. */
  #tick(): void {
    const now = performance.now()
    if (now - this.#due > STOOD_STILL_MS) this.#lateAt = now
    for (; this.#due <= performance.now(); this.#due += EVERY_MS) {
      if (this.#running.size > MAX_RUNNING) continue
      for (const kind of BATCH) this.#ask(kind)
    }
  }

  #ask(kind: Kind): void {
    this.#requests[kind] += 1
    const startedAt = performance.now()
    const asked = this.#one(kind).then(
      () => {
        this.#slowestMs = Math.max(this.#slowestMs, performance.now() - startedAt)
      },
      (error: unknown) => {
        const afterMs = Math.round(performance.now() - startedAt)
        this.#failures.push(`${kind} after ${afterMs} ms: ${String(error)}`)
      },
    )
    this.#running.add(asked)
    void asked.then(() => this.#running.delete(asked))
  }

  #one(kind: Kind): Promise<void> {
    switch (kind) {
      case 'keep-alive':
        return this.#http1(this.#agent)
      case 'new':
        return this.#http1(false)
      case 'h2':
        return this.#http2().catch((error: unknown) => this.#again(error, 1))
      case 'passthrough':
        return this.#passthrough()
    }
  }

  #http1(agent: Agent | false, isAgain = false): Promise<void> {
    const { address: host, httpPort: port } = this.#target
    return new Promise((resolve, reject) => {
      const request = httpRequest({ host, port, agent, timeout: PATIENCE_MS }, (response) => {
        if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`))
        response.on('error', reject)
        response.on('end', resolve)
        response.resume()
      })
      request.on('timeout', () => request.destroy(new Error('no answer')))
      request.on('error', (error: NodeJS.ErrnoException) => {
        const wasClosed = error.code === 'ECONNRESET' || error.code === 'EPIPE'
        const stoodStill = performance.now() - this.#lateAt < FAILS_MS
        if (!request.reusedSocket || !wasClosed || !stoodStill || isAgain) return reject(error)
        this.#refused += 1
        resolve(this.#http1(false, true))
      })
      request.end()
    })
  }

  /** On one session while the server keeps it: a stream that was begun must be answered. */
  #http2(): Promise<void> {
    const { h2Name } = this.#target
    return new Promise((resolve, reject) => {
      const stream = this.#liveSession().request({ ':path': '/', ':authority': h2Name })
      let status = 0
      stream.on('response', (headers) => {
        status = headers[':status'] ?? 0
      })
      stream.setTimeout(PATIENCE_MS, () => stream.destroy(new Error('no answer')))
      stream.on('error', reject)
      stream.on('close', () => {
        if (status === 200 && stream.rstCode === 0) resolve()
        else reject(new Error(`status ${status}, reset ${stream.rstCode}`))
      })
      stream.resume()
      stream.end()
    })
  }

  /**
   * Refused: it was not processed (RFC 9113 section 8.7), and clients send it again. Those that wait
   * in the client's own queue when a GOAWAY comes are refused there, and may meet the next one, too.
   */
  async #again(error: unknown, refusals: number): Promise<void> {
    if (!String(error).includes('NGHTTP2_REFUSED_STREAM') || refusals > MAX_REFUSALS) throw error
    this.#refused += 1
    // A session hears of its GOAWAY later than its streams.
    await setImmediate()
    return this.#http2().catch((again: unknown) => this.#again(again, refusals + 1))
  }

  #liveSession(): http2.ClientHttp2Session {
    const { address, tlsPort, h2Name, ca } = this.#target
    const live = this.#session
    if (live !== undefined && !live.closed && !live.destroyed) return live
    const session = http2.connect(`https://${address}:${tlsPort}`, { servername: h2Name, ca })
    // Its streams tell.
    session.on('error', () => undefined)
    session.on('goaway', () => {
      if (this.#session === session) this.#session = undefined
    })
    this.#session = session
    return session
  }

  #passthrough(): Promise<void> {
    const { address: host, tlsPort: port, passthroughName: servername, ca } = this.#target
    return new Promise((resolve, reject) => {
      const socket = tls.connect({ host, port, servername, ca, timeout: PATIENCE_MS })
      socket.on('timeout', () => socket.destroy(new Error('no answer')))
      socket.on('error', reject)
      socket.on('close', () => reject(new Error('closed without a word')))
      socket.on('data', () => {
        resolve()
        socket.destroy()
      })
    })
  }
}
