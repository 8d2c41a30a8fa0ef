/** Lays frames for one HTTP/2 connection (RFC 9113 section 6); each leaves by the end of the turn. */
import { FrameFlag, FrameType, writeFrameHeader } from '../../../wire/http2/frames.ts'
import { HpackEncoder } from '../../../wire/http2/hpack-encoder.ts'
import { FrameOutput } from './output.ts'

const HEAD_BYTES = 9
/** What any peer takes, and so all that we send (RFC 9113 section 6.5.2). */
export const MAX_FRAME = 16_384

export class FrameWriter extends FrameOutput {
  readonly #encoder = new HpackEncoder()
  /** The stream whose frame was laid last, if that can carry its END_STREAM; 0: none. */
  #lastStream = 0
  #lastBytes: Buffer = this.bytes
  #lastAt = 0

  /** SETTINGS_HEADER_TABLE_SIZE of the peer. */
  set maxTableSize(bytes: number) {
    this.#encoder.maxTableSize = bytes
  }

  prefix(bytes: Buffer): void {
    this.reserve(bytes.length)
    this.at += bytes.copy(this.bytes, this.at)
    this.send()
  }

  settings(settings: readonly (readonly [number, number])[]): void {
    this.#begin(settings.length * 6, FrameType.settings, 0, 0)
    for (const [setting, value] of settings) {
      this.at = this.bytes.writeUInt16BE(setting, this.at)
      this.#uint32(value)
    }
  }

  settingsAck(): void {
    this.#begin(0, FrameType.settings, FrameFlag.ack, 0)
  }

  ping(payload: Buffer, isAck: boolean): void {
    this.#begin(payload.length, FrameType.ping, isAck ? FrameFlag.ack : 0, 0)
    this.at += payload.copy(this.bytes, this.at)
  }

  goaway(lastStream: number, code: number): void {
    this.#begin(8, FrameType.goaway, 0, 0)
    this.#uint32(lastStream)
    this.#uint32(code)
  }

  reset(id: number, code: number): void {
    this.#begin(4, FrameType.reset, 0, id)
    this.#uint32(code)
  }

  windowUpdate(id: number, increment: number): void {
    this.#begin(4, FrameType.windowUpdate, 0, id)
    this.#uint32(increment)
  }

  /** `length` of `chunk`, at most a frame. */
  data(id: number, chunk: Uint8Array, from: number, length: number): void {
    this.#begin(length, FrameType.data, 0, id)
    this.#mayEnd(id, this.at - HEAD_BYTES)
    this.bytes.set(length === chunk.length ? chunk : chunk.subarray(from, from + length), this.at)
    this.at += length
  }

  /** `fields`: flat, pseudo-fields first. Throws on what cannot be sent; then nothing is. */
  headers(id: number, fields: readonly string[], endStream: boolean): void {
    const flags = endStream ? FrameFlag.endStream : 0
    const bound = HpackEncoder.bound(fields)
    if (bound > MAX_FRAME) {
      this.#largeHeaders(id, fields, bound, flags)
      return
    }
    this.reserve(HEAD_BYTES + bound)
    const { at } = this
    const end = this.#encoder.encode(fields, this.bytes, at + HEAD_BYTES)
    const length = end - at - HEAD_BYTES
    this.#begin(length, FrameType.headers, flags | FrameFlag.endHeaders, id)
    this.at = end
    this.#mayEnd(id, at)
  }

  #largeHeaders(id: number, fields: readonly string[], bound: number, flags: number): void {
    const block = Buffer.allocUnsafeSlow(bound)
    const length = this.#encoder.encode(fields, block, 0)
    for (let from = 0; from < length; from += MAX_FRAME) {
      const to = Math.min(from + MAX_FRAME, length)
      const type = from === 0 ? FrameType.headers : FrameType.continuation
      const more = (from === 0 ? flags : 0) | (to === length ? FrameFlag.endHeaders : 0)
      this.#begin(to - from, type, more, id)
      this.at += block.copy(this.bytes, this.at, from, to)
    }
  }

  /** On the stream's last frame, if nothing came behind it and it has not left; else on its own. */
  endStream(id: number): void {
    if (this.#lastStream === id && this.holds(this.#lastBytes, this.#lastAt)) {
      const flags = this.#lastBytes[this.#lastAt + 4] ?? 0
      this.#lastBytes[this.#lastAt + 4] = flags | FrameFlag.endStream
      this.#lastStream = 0
    } else this.#begin(0, FrameType.data, FrameFlag.endStream, id)
  }

  #begin(length: number, type: number, flags: number, id: number): void {
    this.reserve(HEAD_BYTES + length)
    this.at = writeFrameHeader(this.bytes, this.at, length, type, flags, id)
    this.#lastStream = 0
    this.send()
  }

  #mayEnd(id: number, at: number): void {
    this.#lastStream = id
    this.#lastBytes = this.bytes
    this.#lastAt = at
  }

  #uint32(value: number): void {
    const { bytes, at } = this
    bytes[at] = value >>> 24
    bytes[at + 1] = value >>> 16
    bytes[at + 2] = value >>> 8
    bytes[at + 3] = value
    this.at = at + 4
  }
}
