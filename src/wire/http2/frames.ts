/**
 * HTTP/2 framing (RFC 9113 sections 4 and 6): a connection's bytes as they come, to frames that keep
 * every rule that can be judged without knowing a stream: sizes, ids, padding, the order of a field
 * block, values of settings. What is wrong is an `Http2Error`, also where the RFC would be content
 * with an error of the stream. States of streams, windows and floods are the sink's.
 */

import { readUint24, readUint31, readUint32, writeUint32 } from './octets.ts'

export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const

export const FrameFlag = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const

/** RFC 9113 section 7. */
export const Http2Code = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  connectError: 10,
  enhanceYourCalm: 11,
  inadequateSecurity: 12,
  http11Required: 13,
} as const

/** RFC 9113 section 6.5.2. */
export const Setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const

/** An error of the connection; the message is one constant phrase, without any byte of the peer's. */
export class Http2Error extends Error {
  override readonly name = 'Http2Error'
  /** Of `Http2Code`. */
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

export interface FrameSink {
  /**
   * A piece of a DATA frame, as soon as it came: `content` is a view into what was read, without
   * padding; `flowLength` counts padding, too. `endStream` comes with the last piece. A `flowLength`
   * of 0: the frame was empty.
   */
  onData(streamId: number, content: Buffer, flowLength: number, endStream: boolean): void
  /** A whole field block, CONTINUATION joined; it is valid during the call only. */
  onHeaders(streamId: number, block: Buffer, endStream: boolean): void
  onReset(streamId: number, code: number): void
  /** A multiple of 6 octets, at most 32 settings, of values that the RFC allows; valid in the call. */
  onSettings(payload: Buffer): void
  onSettingsAck(): void
  /** 8 octets, valid during the call only; so of the next. */
  onPing(payload: Buffer): void
  onPingAck(payload: Buffer): void
  onGoaway(lastStreamId: number, code: number): void
  /** 0 to 2^31-1. 0 is an error of the stream, or of the connection for stream 0 (section 6.9). */
  onWindowUpdate(streamId: number, increment: number): void
  /** PRIORITY, and frames of unknown types. */
  onIgnored(type: number, streamId: number): void
}

export interface FrameLimits {
  /** SETTINGS_MAX_FRAME_SIZE that the peer was told; without that 16,384. */
  readonly maxFrameSize: number
  /** Octets of a field block, encoded. */
  readonly maxBlockBytes: number
  readonly maxContinuations: number
}

export const CLIENT_PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')
export const FRAME_HEADER_BYTES = 9

/** RFC 9113 section 6.5.2; the largest window, too (section 6.9.1). */
const MAX_INT31 = 0x7fff_ffff
const MIN_FRAME_SIZE = 16_384
const MAX_FRAME_SIZE = 0xff_ffff
/** In one frame; there are no more than 6 that mean something. */
const MAX_SETTINGS = 32
/** The pad length is not read yet. */
const UNREAD = -1

/** @returns the offset behind it */
export function writeFrameHeader(
  out: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): number {
  out[at] = length >>> 16
  out[at + 1] = length >>> 8
  out[at + 2] = length
  out[at + 3] = type
  out[at + 4] = flags
  return writeUint32(out, at + 5, streamId)
}

/**
 * One per direction of a connection. Content goes on at once; of what has to be whole, at most one
 * frame and one field block are kept, as far as they came. No reference to a chunk outlives `read`.
 */
export class FrameReader {
  readonly #sink: FrameSink
  readonly #limits: FrameLimits
  /** What must come before the first frame. */
  readonly #prefix: Buffer
  #prefixBytes = 0
  #isClosed = false
  /** The first SETTINGS came. */
  #isSettled = false

  /** The frame whose payload is read; `#type` is undefined between frames. */
  #type: number | undefined = undefined
  #flags = 0
  #streamId = 0
  /** Octets of the payload that are to come. */
  #left = 0
  /** Of DATA: octets of padding at the end of what is left. */
  #padding = 0

  /** A frame's header that came in pieces. */
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES)
  #headerBytes = 0
  /** A payload that came in pieces. */
  #kept: Buffer | undefined
  #keptBytes = 0

  /** The stream of the field block that CONTINUATION goes on with; 0: there is none. */
  #blockStream = 0
  #blockEndsStream = false
  #block: Buffer | undefined
  #blockBytes = 0
  #continuations = 0

  /** `prefix`: `CLIENT_PREFACE` where a client is read, and nothing has looked at it yet. */
  constructor(sink: FrameSink, limits: FrameLimits, prefix: Buffer = Buffer.alloc(0)) {
    this.#sink = sink
    this.#limits = limits
    this.#prefix = prefix
  }

  /** Nothing more is told, also of what `read` got already. */
  close(): void {
    this.#isClosed = true
    this.#kept = undefined
    this.#block = undefined
  }

  /** Goes on with `chunk`. Throws Http2Error, and is closed then. */
  read(chunk: Buffer): void {
    try {
      this.#read(chunk)
    } catch (error) {
      this.close()
      throw error
    }
  }

  #read(chunk: Buffer): void {
    const { length } = chunk
    let at = this.#prefixBytes < this.#prefix.length ? this.#readPrefix(chunk) : 0
    while (!this.#isClosed) {
      if (this.#type === undefined) {
        if (at === length) return
        at = this.#readHeader(chunk, at)
        continue
      }
      if (at === length && this.#left > 0) return
      at = this.#readPayload(chunk, at)
    }
  }

  #readPrefix(chunk: Buffer): number {
    const from = this.#prefixBytes
    const bytes = Math.min(this.#prefix.length - from, chunk.length)
    if (this.#prefix.compare(chunk, 0, bytes, from, from + bytes) !== 0) {
      throw new Http2Error(Http2Code.protocolError, 'no connection preface')
    }
    this.#prefixBytes += bytes
    return bytes
  }

  #readHeader(chunk: Buffer, from: number): number {
    if (this.#headerBytes === 0 && chunk.length - from >= FRAME_HEADER_BYTES) {
      this.#begin(chunk, from)
      return from + FRAME_HEADER_BYTES
    }
    const end = Math.min(chunk.length, from + FRAME_HEADER_BYTES - this.#headerBytes)
    for (let at = from; at < end; at++) this.#header[this.#headerBytes++] = chunk[at] as number
    if (this.#headerBytes === FRAME_HEADER_BYTES) {
      this.#headerBytes = 0
      this.#begin(this.#header, 0)
    }
    return end
  }

  /** Judges a frame by its header. */
  #begin(bytes: Buffer, at: number): void {
    const length = readUint24(bytes, at)
    const type = bytes[at + 3] as number
    const flags = bytes[at + 4] as number
    const streamId = readUint31(bytes, at + 5)
    if (!this.#isSettled) {
      if (type !== FrameType.settings || (flags & FrameFlag.ack) !== 0) {
        throw new Http2Error(Http2Code.protocolError, 'no SETTINGS first')
      }
      this.#isSettled = true
    }
    if (length > this.#limits.maxFrameSize) throw sizeError('frame longer than allowed')
    if (this.#blockStream !== 0) this.#judgeContinuation(type, streamId, length)
    else judgeFrame(type, flags, streamId, length)
    this.#type = type
    this.#flags = flags
    this.#streamId = streamId
    this.#left = length
    this.#padding = (flags & FrameFlag.padded) === 0 ? 0 : UNREAD
  }

  /** Nothing but CONTINUATION of the same stream may stand within a field block (section 6.10). */
  #judgeContinuation(type: number, streamId: number, length: number): void {
    if (type !== FrameType.continuation || streamId !== this.#blockStream) {
      throw new Http2Error(Http2Code.protocolError, 'frame within a field block')
    }
    this.#continuations += 1
    if (this.#continuations > this.#limits.maxContinuations) {
      throw new Http2Error(Http2Code.enhanceYourCalm, 'too many CONTINUATION frames')
    }
    this.#judgeBlock(length)
  }

  #judgeBlock(length: number): void {
    if (this.#blockBytes + length > this.#limits.maxBlockBytes) {
      throw new Http2Error(Http2Code.enhanceYourCalm, 'field block too large')
    }
  }

  #readPayload(chunk: Buffer, from: number): number {
    switch (this.#type) {
      case FrameType.data:
        return this.#readData(chunk, from)
      case FrameType.headers:
      case FrameType.reset:
      case FrameType.settings:
      case FrameType.ping:
      case FrameType.goaway:
      case FrameType.windowUpdate:
      case FrameType.continuation:
        return this.#readWhole(chunk, from)
      default:
        return this.#skip(chunk, from)
    }
  }

  #readData(chunk: Buffer, from: number): number {
    let at = from
    if (this.#padding === UNREAD) {
      const padding = chunk[at++] as number
      this.#left -= 1
      if (padding > this.#left) throw paddingError()
      this.#padding = padding
    }
    const start = at
    const rest = this.#left - this.#padding
    const end = Math.min(chunk.length, start + rest)
    at = end - start === rest ? Math.min(chunk.length, end + this.#padding) : end
    this.#left -= at - start
    this.#padding -= at - end
    const isLast = this.#left === 0
    if (isLast) this.#type = undefined
    const endStream = isLast && (this.#flags & FrameFlag.endStream) !== 0
    this.#sink.onData(this.#streamId, chunk.subarray(start, end), at - from, endStream)
    return at
  }

  #skip(chunk: Buffer, from: number): number {
    const end = Math.min(chunk.length, from + this.#left)
    this.#left -= end - from
    if (this.#left === 0) {
      const type = this.#type as number
      this.#type = undefined
      this.#sink.onIgnored(type, this.#streamId)
    }
    return end
  }

  #readWhole(chunk: Buffer, from: number): number {
    if (this.#keptBytes === 0 && chunk.length - from >= this.#left) {
      const end = from + this.#left
      this.#tell(chunk, from, end)
      return end
    }
    const end = Math.min(chunk.length, from + this.#left)
    this.#left -= end - from
    const needed = this.#keptBytes + end - from
    const kept = grown(this.#kept, this.#keptBytes, needed, needed + this.#left)
    chunk.copy(kept, this.#keptBytes, from, end)
    this.#kept = kept
    this.#keptBytes = needed
    if (this.#left === 0) {
      this.#kept = undefined
      this.#keptBytes = 0
      this.#tell(kept, 0, needed)
    }
    return end
  }

  /** A frame is whole: its payload is at `from` to `end`. */
  #tell(bytes: Buffer, from: number, end: number): void {
    const type = this.#type
    const sink = this.#sink
    const isAck = (this.#flags & FrameFlag.ack) !== 0
    this.#type = undefined
    switch (type) {
      case FrameType.headers:
        this.#onHeaders(bytes, from, end)
        break
      case FrameType.continuation:
        this.#onFragment(bytes, from, end)
        break
      case FrameType.reset:
        sink.onReset(this.#streamId, readUint32(bytes, from))
        break
      case FrameType.settings:
        if (isAck) sink.onSettingsAck()
        else sink.onSettings(judgedSettings(bytes.subarray(from, end)))
        break
      case FrameType.ping:
        if (isAck) sink.onPingAck(bytes.subarray(from, end))
        else sink.onPing(bytes.subarray(from, end))
        break
      case FrameType.goaway:
        sink.onGoaway(readUint31(bytes, from), readUint32(bytes, from + 4))
        break
      case FrameType.windowUpdate:
        sink.onWindowUpdate(this.#streamId, readUint31(bytes, from))
        break
      default:
    }
  }

  #onHeaders(bytes: Buffer, from: number, to: number): void {
    let start = from
    let end = to
    if ((this.#flags & FrameFlag.padded) !== 0) end -= bytes[start++] as number
    // Whatever it says of other streams means nothing any more (section 5.3.2).
    if ((this.#flags & FrameFlag.priority) !== 0) start += 5
    if (end < start) throw paddingError()
    this.#judgeBlock(end - start)
    this.#blockStream = this.#streamId
    this.#blockEndsStream = (this.#flags & FrameFlag.endStream) !== 0
    this.#onFragment(bytes, start, end)
  }

  #onFragment(bytes: Buffer, from: number, end: number): void {
    const isLast = (this.#flags & FrameFlag.endHeaders) !== 0
    if (isLast && this.#blockBytes === 0) {
      this.#tellBlock(bytes.subarray(from, end))
      return
    }
    const needed = this.#blockBytes + end - from
    const block = grown(this.#block, this.#blockBytes, needed, this.#limits.maxBlockBytes)
    bytes.copy(block, this.#blockBytes, from, end)
    this.#block = block
    this.#blockBytes = needed
    if (isLast) this.#tellBlock(block.subarray(0, needed))
  }

  #tellBlock(block: Buffer): void {
    this.#blockStream = 0
    this.#block = undefined
    this.#blockBytes = 0
    this.#continuations = 0
    this.#sink.onHeaders(this.#streamId, block, this.#blockEndsStream)
  }
}

/** A frame outside of a field block, by its header; see section 6 for each. */
function judgeFrame(type: number, flags: number, streamId: number, length: number): void {
  switch (type) {
    case FrameType.data:
      if (streamId === 0) throw idError()
      if (length < paddingField(flags)) throw sizeError('frame too short')
      return
    case FrameType.headers:
      if (streamId === 0) throw idError()
      if (length < paddingField(flags) + ((flags & FrameFlag.priority) === 0 ? 0 : 5)) {
        throw sizeError('frame too short')
      }
      return
    case FrameType.priority:
      if (streamId === 0) throw idError()
      if (length !== 5) throw sizeError('length of PRIORITY')
      return
    case FrameType.reset:
      if (streamId === 0) throw idError()
      if (length !== 4) throw sizeError('length of RST_STREAM')
      return
    case FrameType.settings:
      if (streamId !== 0) throw idError()
      if (length % 6 !== 0 || (length > 0 && (flags & FrameFlag.ack) !== 0)) {
        throw sizeError('length of SETTINGS')
      }
      if (length > MAX_SETTINGS * 6) {
        throw new Http2Error(Http2Code.enhanceYourCalm, 'too many settings')
      }
      return
    case FrameType.ping:
      if (streamId !== 0) throw idError()
      if (length !== 8) throw sizeError('length of PING')
      return
    case FrameType.goaway:
      if (streamId !== 0) throw idError()
      if (length < 8) throw sizeError('length of GOAWAY')
      return
    case FrameType.windowUpdate:
      if (length !== 4) throw sizeError('length of WINDOW_UPDATE')
      return
    case FrameType.pushPromise:
      // A client must not send it, and servers are told not to.
      throw new Http2Error(Http2Code.protocolError, 'PUSH_PROMISE')
    case FrameType.continuation:
      throw new Http2Error(Http2Code.protocolError, 'CONTINUATION without HEADERS')
    default:
  }
}

/** RFC 9113 section 6.5.2. Whether a server may say so of push is the client's to judge. */
function judgedSettings(payload: Buffer): Buffer {
  for (let at = 0; at < payload.length; at += 6) {
    const value = readUint32(payload, at + 2)
    switch (((payload[at] as number) << 8) | (payload[at + 1] as number)) {
      case Setting.enablePush:
        if (value > 1) throw new Http2Error(Http2Code.protocolError, 'SETTINGS_ENABLE_PUSH')
        break
      case Setting.initialWindowSize:
        if (value > MAX_INT31) {
          throw new Http2Error(Http2Code.flowControlError, 'SETTINGS_INITIAL_WINDOW_SIZE')
        }
        break
      case Setting.maxFrameSize:
        if (value < MIN_FRAME_SIZE || value > MAX_FRAME_SIZE) {
          throw new Http2Error(Http2Code.protocolError, 'SETTINGS_MAX_FRAME_SIZE')
        }
        break
      default:
    }
  }
  return payload
}

/** `from`, or a copy of its first `used` bytes with room for `needed`, at most `limit`. */
function grown(from: Buffer | undefined, used: number, needed: number, limit: number): Buffer {
  if (from !== undefined && from.length >= needed) return from
  const larger = Buffer.allocUnsafe(Math.max(needed, Math.min(limit, Math.max(256, 2 * needed))))
  from?.copy(larger, 0, 0, used)
  return larger
}

function paddingField(flags: number): number {
  return (flags & FrameFlag.padded) === 0 ? 0 : 1
}

function sizeError(message: string): Http2Error {
  return new Http2Error(Http2Code.frameSizeError, message)
}

function idError(): Http2Error {
  return new Http2Error(Http2Code.protocolError, 'stream id')
}

function paddingError(): Http2Error {
  return new Http2Error(Http2Code.protocolError, 'padding longer than its frame')
}
