/** What gwproxy asks of HTTP/2: `stream.ts` and `session.ts` have it for both sides. */
import type { RequestStream } from '../request-body.ts'

/** Shared by both sides. */
export interface Http2Stream {
  /** Over: nothing can be written, and but for a whole message nothing is told but its close. */
  readonly destroyed: boolean
  /** Of RST_STREAM, whoever sent it; 0: none. */
  readonly rstCode: number
  /** Everything that was written and ended is in the socket. */
  readonly writableFinished: boolean
  /** The chunk must stay as it is. False: wait for `onDrain`. */
  write(chunk: Uint8Array): boolean
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
  pause(): void
  resume(): void
}

export interface ClientSink {
  onInterim(status: number, raw: readonly string[]): void
  onResponse(status: number, raw: readonly string[], endStream: boolean): void
  onTrailers(raw: readonly string[]): void
  onData(chunk: Buffer): void
  onEnd(): void
  onDrain(): void
  onClose(error: Error | undefined): void
}
