/** One request to an HTTP/2 upstream: from the pool to its last event, or until it is given up. */
import { assertNever } from '../../base/assert-never.ts'
import { messageOf } from '../../base/errors.ts'
import type { Reason } from '../../model/outcome.ts'
import { fieldKey } from './field-names.ts'
import type { ClientSession } from './h2/client-session.ts'
import type { ClientSink, ClientStream, StreamLoss } from './h2/contract.ts'
import type { UpstreamCall, UpstreamEvents, UpstreamRequest } from './upstream-client.ts'

const NO_FIELDS: readonly string[] = []
/** Of a body that has none yet. */
const NOTHING: Buffer[] = []

/** Where a call waits for its connection. */
export interface WaitingRoom {
  leave(call: Http2Call): void
}

export interface CallOwner {
  /** On another connection. */
  place(call: Http2Call): void
}

/** A body is kept up to this length until its answer begins, and can go to another connection. */
const MAX_KEPT = 65_536
/** From one connection to the next, each of which ended before it. */
const MAX_MOVES = 3

export class Http2Call implements UpstreamCall, ClientSink {
  readonly #request: UpstreamRequest
  readonly #events: UpstreamEvents
  readonly #owner: CallOwner
  #stream: ClientStream | undefined
  /** Set while it waits. */
  room: WaitingRoom | undefined
  #trailers: readonly string[] = NO_FIELDS
  /** Bytes of the body that its length has promised; undefined: it has none. */
  #left: number | undefined
  #isSent = false
  #moves = 0
  /** What was sent of the body; undefined: it was too much, or the answer has begun. */
  #kept: Buffer[] | undefined = NOTHING
  #keptBytes = 0
  #over = false

  constructor(request: UpstreamRequest, events: UpstreamEvents, owner: CallOwner) {
    this.#request = request
    this.#events = events
    this.#owner = owner
    this.#left = request.contentLength
  }

  /** On a session that has room for it. */
  open(session: ClientSession, scheme: 'http' | 'https'): void {
    this.room = undefined
    const { body } = this.#request
    try {
      this.#stream = session.open(requestFields(this.#request, scheme), body === undefined, this)
    } catch (error) {
      // Fields that cannot be sent say nothing against the endpoint.
      this.fail('internal-error', messageOf(error))
      return
    }
    if (this.#moves > 0) {
      this.#sendAgain(this.#stream)
      return
    }
    this.#events.onConnected()
    if (this.#over || body === undefined) return
    body.on('data', this.#onBody)
    body.on('end', this.#onBodyEnd)
    body.on('close', this.#onBodyCut)
    body.resume()
  }

  pause(): void {
    this.#stream?.pause()
  }

  resume(): void {
    this.#stream?.resume()
  }

  abort(): void {
    if (this.#over) return
    this.#finish()
    this.room?.leave(this)
    this.#stream?.destroy()
  }

  /** Nothing was sent. Told in a turn of its own, after `request` has returned. */
  fail(reason: Reason, detail: string): void {
    setImmediate(tellUnsent, this, reason, detail)
  }

  tellUnsent(reason: Reason, detail: string): void {
    this.#fail(reason, detail, true)
  }

  #sendAgain(stream: ClientStream): void {
    const { body } = this.#request
    if (body === undefined) return
    let more = true
    for (const chunk of this.#kept ?? NOTHING) more = stream.write(chunk)
    if (this.#isSent) stream.end()
    else if (more) body.resume()
  }

  /** False: it cannot. */
  #move(): boolean {
    if (this.#over || this.#kept === undefined || this.#moves === MAX_MOVES) return false
    this.#moves += 1
    this.#stream = undefined
    if (!this.#isSent) this.#request.body?.pause()
    this.#owner.place(this)
    return true
  }

  #keep(chunk: Buffer): void {
    if (this.#kept === undefined) return
    this.#keptBytes += chunk.length
    if (this.#keptBytes > MAX_KEPT) this.#kept = undefined
    else if (this.#kept === NOTHING) this.#kept = [chunk]
    else this.#kept.push(chunk)
  }

  readonly #onBody = (chunk: Buffer): void => {
    if (this.#over || chunk.length === 0) return
    if (this.#left !== undefined) {
      this.#left -= chunk.length
      if (this.#left < 0) {
        this.#break('internal-error', 'more body than its length')
        return
      }
    }
    this.#keep(chunk)
    // Without a stream it waits for the next.
    if (this.#stream?.write(chunk) === false) this.#request.body?.pause()
  }

  readonly #onBodyEnd = (): void => {
    if (this.#over) return
    if (this.#left !== undefined && this.#left > 0) {
      this.#break('internal-error', 'less body than its length')
      return
    }
    this.#isSent = true
    this.#stream?.end()
  }

  readonly #onBodyCut = (): void => {
    if (!this.#isSent && !this.#over) this.#break('client-closed', 'the request broke off')
  }

  /** The request will not become whole. */
  #break(reason: Reason, detail: string): void {
    this.#stream?.destroy()
    this.#fail(reason, detail, false)
  }

  onInterim(status: number, fields: readonly string[]): void {
    this.#kept = undefined
    if (!this.#over) this.#events.onInformation(status, fields)
  }

  onResponse(status: number, fields: readonly string[], endStream: boolean): void {
    this.#kept = undefined
    if (!this.#over) this.#events.onHead(status, fields, endStream)
  }

  onTrailers(fields: readonly string[]): void {
    this.#trailers = fields
  }

  onData(chunk: Buffer, isLent: boolean): void {
    if (!this.#over) this.#events.onData(chunk, isLent)
  }

  onDrain(): void {
    if (!this.#over) this.#request.body?.resume()
  }

  onEnd(): void {
    if (this.#over) return
    this.#finish()
    // An early answer: the rest of the request is not wanted any more.
    if (this.#stream?.isLaid === false) this.#stream.destroy()
    this.#events.onEnd(this.#trailers)
  }

  onClose(loss: StreamLoss | undefined): void {
    if (loss === undefined) return
    const { kind, detail } = loss
    if (kind === 'passed-over' && this.#move()) return
    this.#fail(reasonOf(loss), detail, kind === 'refused' || kind === 'passed-over')
  }

  onDefect(error: unknown): void {
    if (this.#over) return
    this.#finish()
    this.#events.onDefect(error)
  }

  #fail(reason: Reason, detail: string, unsent: boolean): void {
    if (this.#over) return
    this.#finish()
    this.#events.onError({ reason, detail, unsent })
  }

  /** Nothing more of the body is wanted, and nothing more is told. */
  #finish(): void {
    this.#over = true
    this.#request.body?.destroy()
  }
}

function tellUnsent(call: Http2Call, reason: Reason, detail: string): void {
  call.tellUnsent(reason, detail)
}

function requestFields(request: UpstreamRequest, scheme: string): string[] {
  const { method, target, host, fields, contentLength } = request
  const list = [':method', method, ':path', target, ':scheme', scheme, ':authority', host]
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] as string
    if (name.startsWith(':')) throw new TypeError('a pseudo-field')
    list.push(fieldKey(name), fields[i + 1] as string)
  }
  if (contentLength !== undefined) list.push('content-length', String(contentLength))
  return list
}

function reasonOf({ kind, detail }: StreamLoss): Reason {
  switch (kind) {
    case 'refused':
    case 'passed-over':
      return 'connect-refused'
    case 'malformed':
      return 'upstream-protocol-error'
    case 'lost':
      // An alert after the handshake: with TLS 1.3 the verdict on our certificate comes this late.
      return detail.startsWith('ERR_SSL_') ? 'upstream-tls-failed' : 'upstream-reset'
    default:
      return assertNever(kind)
  }
}
