/**
 * The downstream side of one exchange, over HTTP/1.1 or an HTTP/2 stream: where the request body
 * comes from and how the response leaves. Framing of the response is made below this interface.
 */
import type { Duplex } from 'node:stream'
import type { Outcome } from '../../model/outcome.ts'
import type { RequestStream } from './request-body.ts'
import type { Fields } from './fields.ts'

export interface ResponseHead {
  readonly status: number
  /** Without framing and hop-by-hop fields. */
  readonly fields: Fields
  /** What the upstream promised; undefined: unknown until the end. */
  readonly contentLength: number | undefined
  /** Nothing follows, neither body nor trailers: of gRPC a trailers-only response. */
  readonly isWhole: boolean
  /** Trailers may follow a body of known length, too: the upstream speaks HTTP/2. */
  readonly mayTrail?: boolean
}

export interface Responder {
  /** The request body, not flowing. */
  readonly body: RequestStream
  /** True once nothing of the body is to come. */
  readonly bodyComplete: boolean
  readonly bytesSent: number
  /** Events go here from now on. */
  attach(sink: ResponderSink): void
  /** 100 Continue, at most once. */
  sendContinue(): void
  /** 103 and its like; dropped where the client cannot take them. */
  inform(status: number, fields: Fields): void
  /** `close`: no further exchange on this connection (HTTP/1.1). Throws on fields that cannot be sent. */
  head(head: ResponseHead, close: boolean): void
  /** `isLent`: the bytes are others' again after the call. False: wait for `onWritable`. */
  write(chunk: Uint8Array, isLent: boolean): boolean
  end(trailers: Fields | undefined): void
  /** Cuts the response so that no client takes it for complete (platform.md section 7). */
  abort(outcome: Outcome): void
  /**
   * The raw socket after the head of a 101 to WebSocket; undefined where upgrades do not exist. Throws
   * as `head`.
   */
  upgrade(fields: Fields): Duplex | undefined
}

export interface ResponderSink {
  onWritable(): void
  /** Everything was handed to the operating system. */
  onSent(): void
  /** The client went away before `onSent`. */
  onGone(reset: boolean): void
}

/** 204, 304 and answers to HEAD have no content, whatever their fields say (RFC 9110 section 6.4.1). */
export function hasNoContent(method: string, status: number): boolean {
  return method === 'HEAD' || status === 204 || status === 304
}
