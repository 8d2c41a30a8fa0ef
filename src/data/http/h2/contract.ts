/** What gwproxy asks of HTTP/2: `stream.ts` and `session.ts` have it for both sides. */
import type { RequestStream } from '../request-body.ts'
import type { Ticker } from './flood-guard.ts'

/** Shared by both sides. */
export interface Http2Stream {
  /** Over: nothing can be written, and but for a whole message nothing is told but its close. */
  readonly destroyed: boolean
  /** Of RST_STREAM, whoever sent it; 0: none. */
  readonly rstCode: number
  /** Everything that was written and ended is in the socket. */
  readonly writableFinished: boolean
  /** A chunk that is not lent must stay as it is. False: wait for `onDrain`. */
  write(chunk: Uint8Array, isLent?: boolean): boolean
  /** `trailers`: flat; with those that cannot be sent it is reset. */
  end(trailers?: readonly string[]): void
  /** RST_STREAM with INTERNAL_ERROR, so that nobody takes it for whole. */
  destroy(): void
}

/** A request, and the way back. */
export interface ServerStream extends Http2Stream, RequestStream {
  /** Set once: who is told from here on. */
  set sink(sink: ServerSink)
  /** HEADERS had END_STREAM. */
  readonly endAfterHeaders: boolean
  readonly headersSent: boolean
  /** `raw`: flat, `:status` first. Throws on fields that cannot be sent; so does the next. */
  respond(raw: string[], endStream: boolean): void
  inform(raw: string[]): void
}

export interface ServerSink {
  /** All of the answer is in the socket. What is left of the request is refused behind it. */
  onFinish(): void
  onDrain(): void
  /** The last that is told. */
  onClose(): void
}

/** A request of ours; `onEnd` comes only when the answer came to its END_STREAM. */
export interface ClientStream extends Http2Stream {
  /** The whole request is on its way. */
  readonly isLaid: boolean
  pause(): void
  resume(): void
}

/** `fields`: flat, without pseudo-fields. */
export interface ClientSink {
  onInterim(status: number, fields: readonly string[]): void
  onResponse(status: number, fields: readonly string[], endStream: boolean): void
  onTrailers(fields: readonly string[]): void
  /** `isLent`: its bytes are valid in the call only. */
  onData(chunk: Buffer, isLent: boolean): void
  onEnd(): void
  onDrain(): void
  /** undefined: the answer is whole; a reader that was paused gets the rest and `onEnd` after this. */
  onClose(loss: StreamLoss | undefined): void
  /** A fault of ours; nothing else is told. */
  onDefect(error: unknown): void
}

/**
 * Why an answer did not come to its end. `refused`: the peer has not looked at the request, and
 * will not. `passed-over`: nor has it, since its connection ends (GOAWAY); another may serve it.
 * `malformed`: what came breaks the rules. `lost`: the stream was reset, or the connection is gone.
 */
export interface StreamLoss {
  readonly kind: 'refused' | 'passed-over' | 'malformed' | 'lost'
  readonly detail: string
}

export interface SessionOptions {
  readonly ticker: Ticker
  /** The client's preface, where it comes before our settings. */
  readonly prefix?: Buffer
  /** The same, where it comes before the peer's. */
  readonly peerPrefix?: Buffer
  /** What we announce: pairs of `Setting` and value. */
  readonly settings: readonly (readonly [number, number])[]
  /** Of one list of fields, as RFC 9113 section 6.5.2 counts them. */
  readonly maxListBytes: number
  /** The same in number, pseudo-fields among them: each costs us, however small (cookie crumbs). */
  readonly maxFields: number
  /** Content on the way to all streams together that nobody has read. */
  readonly connectionWindow: number
  /** What `read` gets is valid in its call only. */
  readonly borrows?: boolean
}

/** `closed`: by one of the two, in order; `reset`: the socket failed; `fault`: the peer broke a rule. */
export interface SessionEnd {
  readonly kind: 'closed' | 'reset' | 'fault'
  readonly detail?: string
}
