/**
 * HTTP/1.1 downstream (RFC 9112): one connection reads a request, runs its exchange, then reads the
 * next; what comes early waits in the kernel, but for a little. Bytes that cannot be read get a raw
 * answer and end the connection, which lingers so that the answer arrives. Owns the socket's flow.
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { assertNever } from '../../base/assert-never.ts'
import { errnoOf } from '../../base/errors.ts'
import type { Limits } from '../../ipc/messages.ts'
import type { Outcome, Reason } from '../../model/outcome.ts'
import { ChunkedDecoder } from '../../wire/http1/chunked-decoder.ts'
import { HeadReader, type SectionLimits } from '../../wire/http1/head-reader.ts'
import { Deadline, type TimerSink } from '../timer-wheel.ts'
import { Exchange } from './exchange.ts'
import { Fields } from './fields.ts'
import type { HttpConnection, Protocol } from './http-connection.ts'
import { type BodyFlow, IncomingBody } from './incoming-body.ts'
import { rawReply } from './local-reply.ts'
import { type BodyFraming, connectionTokens, MAX_FIELDS, normalizeHttp1 } from './normalize.ts'
import { Http1Output, type OutputOwner } from './output-h1.ts'
import { type Http1Link, Http1Responder } from './responder-h1.ts'

/** Bytes of later requests that are read while an exchange runs; then the socket is paused. */
const MAX_AHEAD = 16_384
/** How long a client may go on: with a body that nobody wants, or after the last answer. */
const LINGER_MS = 2000

export function acceptHttp1(connection: HttpConnection): void {
  new Http1Connection(connection).start()
}

class Http1Connection implements Protocol, Http1Link, OutputOwner, BodyFlow, TimerSink {
  readonly output: Http1Output
  readonly #connection: HttpConnection
  readonly #socket: Socket
  readonly #limits: Limits
  readonly #reader: HeadReader
  #decoder: ChunkedDecoder | undefined
  readonly #linger: Deadline
  #exchange: Exchange | undefined
  #responder: Http1Responder | undefined
  /** As long as it is not complete, its exchange may be over already. */
  #body: IncomingBody | undefined
  /** Bytes of later requests. */
  #ahead: Buffer | undefined
  #isBodyBlocked = false
  /** Reading: what an exchange leaves is gone on with by the reader. */
  #isFeeding = false
  /** How it ends: nothing is read any more. */
  #ending: Outcome | undefined

  constructor(connection: HttpConnection) {
    const { downstream, context } = connection
    this.#connection = connection
    this.#socket = downstream.socket
    this.#limits = context.limits
    this.#reader = new HeadReader('request', sectionLimits(context.limits))
    this.#linger = new Deadline(context.wheel, this)
    this.output = new Http1Output(downstream.socket, this)
  }

  start(): void {
    const socket = this.#socket
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('drain', this.#onDrain)
    socket.on('error', ignore)
    socket.on('close', this.#onClose)
    this.#connection.start(this)
    socket.resume()
  }

  /** The connection drains: the answers say so. */
  drain(): void {}

  closeIdle(): void {
    if (this.#ending !== undefined) return
    this.finish()
    // Nobody waits for an answer.
    if (this.#socket.writableLength === 0) this.#connection.end({ reason: 'completed' })
  }

  onSilence(): void {
    this.#refuse('header-timeout', 'no request')
  }

  onExchangeEnded(): void {
    this.#exchange = undefined
    this.#responder = undefined
    if (this.#ending !== undefined) return
    if (this.#body !== undefined) {
      this.#body.drop()
      this.#linger.arm(LINGER_MS)
    } else if (!this.#isFeeding) this.#goOn()
  }

  onFlushed(): void {
    this.#responder?.onFlushed()
  }

  onOutputFault(error: unknown): void {
    this.#connection.downstream.fail(error)
  }

  onBodyFlow(flows: boolean): void {
    this.#isBodyBlocked = !flows
    this.#setFlow()
  }

  finish(): void {
    this.#end({ reason: 'completed' })
  }

  cut(outcome: Outcome): void {
    this.#ending ??= outcome
    this.#connection.end(outcome)
  }

  detach(): Duplex {
    const socket = this.#socket
    this.#ending = { reason: 'completed' }
    this.#responder = undefined
    socket.off('data', this.#onData)
    socket.off('end', this.#onEnd)
    socket.off('drain', this.#onDrain)
    if (this.#ahead !== undefined) socket.unshift(this.#ahead)
    this.#ahead = undefined
    socket.resume()
    return socket
  }

  onDeadline(): void {
    // A client that sends on and on, or does not close.
    this.#connection.end(this.#ending ?? { reason: 'completed' })
  }

  onDefect(error: unknown): void {
    this.#connection.downstream.fail(error)
  }

  readonly #onData = (bytes: Buffer): void => {
    if (this.#ending !== undefined) return
    if (this.#ahead === undefined) this.#feed(bytes)
    else this.#keep(bytes)
  }

  /** FIN: no client that waits for its answer sends one; half of a request is none. */
  readonly #onEnd = (): void => {
    if (this.#ending !== undefined) return
    if (this.#body !== undefined && this.#exchange !== undefined) {
      this.#breakOff('bad-request', 'the body ends early')
    } else if (this.#exchange === undefined && !this.#reader.isAtStart) {
      this.#refuse('bad-request', 'the head ends early')
    } else {
      this.#ending = { reason: 'completed' }
      this.#responder?.onGone(false)
      this.finish()
    }
  }

  readonly #onDrain = (): void => {
    this.output.isBlocked = false
    this.#responder?.onDrain()
  }

  readonly #onClose = (): void => {
    const { errored } = this.#socket
    this.#ending ??=
      errored === null
        ? { reason: 'completed' }
        : { reason: 'client-reset', detail: errnoOf(errored) ?? errored.message }
    this.#body?.abort()
    this.#responder?.onGone(errored !== null)
    this.#linger.cancel()
    this.#connection.end(this.#ending)
  }

  /** Reads requests until one has to wait. */
  #feed(bytes: Buffer): void {
    this.#isFeeding = true
    try {
      this.#read(bytes)
    } catch (error) {
      this.#connection.downstream.fail(error)
    }
    this.#isFeeding = false
  }

  #read(bytes: Buffer): void {
    let at = 0
    while (at < bytes.length && this.#ending === undefined) {
      if (this.#body !== undefined) at = this.#readBody(this.#body, bytes, at)
      else if (this.#exchange === undefined) at = this.#readHead(bytes, at)
      else {
        this.#keep(at === 0 ? bytes : bytes.subarray(at))
        return
      }
    }
  }

  #keep(bytes: Buffer): void {
    this.#ahead = this.#ahead === undefined ? bytes : Buffer.concat([this.#ahead, bytes])
    this.#setFlow()
  }

  #goOn(): void {
    const ahead = this.#ahead
    if (ahead === undefined) return
    this.#ahead = undefined
    this.#setFlow()
    this.#feed(ahead)
  }

  #setFlow(): void {
    const flows = !this.#isBodyBlocked && (this.#ahead?.length ?? 0) < MAX_AHEAD
    if (flows === !this.#socket.isPaused()) return
    if (flows) this.#socket.resume()
    else this.#socket.pause()
  }

  #readBody(body: IncomingBody, bytes: Buffer, from: number): number {
    const end = body.read(bytes, from)
    if (body.fault !== undefined) this.#breakOff(body.fault.reason, body.fault.detail)
    else if (body.isComplete) {
      this.#body = undefined
      this.#isBodyBlocked = false
      this.#linger.cancel()
    }
    return end
  }

  #readHead(bytes: Buffer, from: number): number {
    const reader = this.#reader
    const verdict = reader.read(bytes, from)
    switch (verdict) {
      case 'complete':
        this.#run()
        return reader.end
      case 'more':
        this.#connection.headBegan()
        return bytes.length
      case 'malformed':
        this.#refuse('bad-request', reader.detail)
        return bytes.length
      case 'too-large':
        this.#refuse('headers-too-large', 'the head of a request')
        return bytes.length
      default:
        return assertNever(verdict)
    }
  }

  #run(): void {
    const { method, target, minorVersion, fields: rawFields } = this.#reader
    const { tls } = this.#connection.downstream
    const scheme = tls === undefined ? 'http' : 'https'
    const version = minorVersion === 1 ? '1.1' : '1.0'
    const normalized = normalizeHttp1({ version, method, target, rawFields }, scheme)
    const fields = normalized.ok ? normalized.head.fields : Fields.fromRaw(rawFields)
    const body = normalized.ok ? this.#bodyOf(normalized.head.body) : undefined
    // What was refused may have had a body, and nobody can tell where it ends.
    const persistent = normalized.ok && persists(minorVersion, fields)
    const responder = new Http1Responder({ method, minorVersion, persistent, body }, this)
    const exchange = new Exchange(this.#connection, responder, {
      method,
      target,
      authority: fields.get('host') ?? '',
      protocol: `HTTP/${version}`,
      userAgent: fields.get('user-agent'),
    })
    this.#body = body
    this.#responder = responder
    this.#exchange = exchange
    exchange.start(normalized)
  }

  #bodyOf(framing: BodyFraming): IncomingBody | undefined {
    switch (framing.kind) {
      case 'none':
        return undefined
      case 'length':
        return new IncomingBody(this, framing.bytes)
      case 'stream':
        this.#decoder ??= new ChunkedDecoder(sectionLimits(this.#limits))
        return new IncomingBody(this, 0, this.#decoder)
      default:
        return assertNever(framing)
    }
  }

  /** The body of the current request cannot be read: an answer if possible, then no more. */
  #breakOff(reason: Reason, detail: string): void {
    const body = this.#body
    this.#body = undefined
    body?.abort()
    if (this.#exchange === undefined) this.#end({ reason, detail })
    else this.#exchange.breakOff(reason, detail)
    // An answer that has begun goes its way, with nothing to read beside it.
    this.#ending ??= { reason, detail }
  }

  /** No request can be read any more. */
  #refuse(reason: Reason, detail: string): void {
    if (this.#ending !== undefined) return
    this.output.add(rawReply(reason))
    this.#end({ reason, detail })
  }

  /** What was written goes out, then both sides close; the client has some time for its part. */
  #end(outcome: Outcome): void {
    this.#ending ??= outcome
    this.#ahead = undefined
    this.#body = undefined
    this.output.flush()
    this.#socket.end()
    this.#socket.resume()
    this.#linger.arm(LINGER_MS)
  }
}

function persists(minorVersion: number, fields: Fields): boolean {
  const tokens = connectionTokens(fields)
  return !tokens.includes('close') && (minorVersion === 1 || tokens.includes('keep-alive'))
}

function sectionLimits({ headerBytes }: Limits): SectionLimits {
  return { maxBytes: headerBytes, maxFields: MAX_FIELDS }
}

function ignore(): void {}
