/**
 * What gwproxy asks of an HTTP/2 stream. Node's own streams have it, behind `node-streams.ts`, and so
 * has `HandleStream`; nothing above knows which of them it is.
 */
import type { RequestStream } from '../request-body.ts'

/** Shared by both sides. */
export interface Http2Stream {
  readonly destroyed: boolean
  readonly closed: boolean
  /** Of RST_STREAM; undefined or 0: none. */
  readonly rstCode: number | undefined
  /** Everything that was written and ended is in the socket, but for trailers. */
  readonly writableFinished: boolean
  /** False: wait for `onDrain`. */
  write(chunk: Uint8Array): boolean
  end(): void
  /** RST_STREAM with INTERNAL_ERROR, so that nobody takes it for whole. */
  destroy(error: Error): void
}

/** A request, and the way back. */
export interface ServerStream extends Http2Stream, RequestStream {
  /** HEADERS had END_STREAM. */
  readonly endAfterHeaders: boolean
  readonly headersSent: boolean
  /** `raw`: flat, `:status` first. Throws on fields that cannot be sent; so do the next two. */
  respond(raw: string[], options: RespondOptions): void
  inform(raw: string[]): void
  /** Within `onWantTrailers`. */
  sendTrailers(raw: string[]): void
  /** RST_STREAM behind what was written. */
  close(code: number): void
}

export interface RespondOptions {
  readonly endStream: boolean
  readonly waitForTrailers: boolean
}

export interface ServerSink {
  /** So much of the request's content came, whether or not it is read yet. */
  onContent(bytes: number): void
  onFinish(): void
  onDrain(): void
  onWantTrailers(): void
  onClose(): void
}

/** A request of ours; `onEnd` comes only when the answer came to its END_STREAM. */
export interface ClientStream extends Http2Stream {
  pause(): void
  resume(): void
}

export interface ClientSink {
  onInterim(status: number, raw: readonly string[]): void
  onResponse(status: number, raw: readonly string[], flags: number): void
  onTrailers(raw: readonly string[]): void
  onData(chunk: Buffer): void
  onEnd(): void
  onDrain(): void
  onClose(error: Error | undefined): void
}
