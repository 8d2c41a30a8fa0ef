/** What a FrameReader told, as lines; pieces of one DATA frame are put together. */
import { FrameReader, type FrameSink, Http2Error } from '../../src/wire/http2/frames.ts'

export const FRAME_LIMITS = { maxFrameSize: 16_384, maxBlockBytes: 32_768, maxContinuations: 4 }

export class FrameLog implements FrameSink {
  readonly lines: string[] = []
  /** Pieces of DATA, with how much of the window each took. */
  pieces: string[] = []
  /** Payloads are of the call only: a later look must not find them needed. */
  onLine: () => void = () => {}
  #content = ''
  #flow = 0

  onData(streamId: number, content: Buffer, flowLength: number, endStream: boolean): void {
    this.pieces.push(`${content.toString('latin1')} ${flowLength}${endStream ? ' end' : ''}`)
    this.#content += content.toString('hex')
    this.#flow += flowLength
    this.#add(`data ${streamId}${endStream ? ' end' : ''}`)
  }
  onHeaders(streamId: number, block: Buffer, endStream: boolean): void {
    this.#add(`headers ${streamId} ${block.toString('hex')}${endStream ? ' end' : ''}`)
  }
  onReset(streamId: number, code: number): void {
    this.#add(`reset ${streamId} ${code}`)
  }
  onSettings(payload: Buffer): void {
    this.#add(`settings ${payload.toString('hex')}`)
  }
  onSettingsAck(): void {
    this.#add('settings ack')
  }
  onPing(payload: Buffer): void {
    this.#add(`ping ${payload.toString('hex')}`)
  }
  onPingAck(payload: Buffer): void {
    this.#add(`ping ack ${payload.toString('hex')}`)
  }
  onGoaway(lastStreamId: number, code: number): void {
    this.#add(`goaway ${lastStreamId} ${code}`)
  }
  onWindowUpdate(streamId: number, increment: number): void {
    this.#add(`window ${streamId} ${increment}`)
  }
  onIgnored(type: number, streamId: number): void {
    this.#add(`ignored ${type} ${streamId}`)
  }

  /** Content as far as it came, of all frames of DATA. */
  get content(): string {
    return `${this.#content} ${this.#flow}`
  }

  #add(line: string): void {
    if (!line.startsWith('data') || line.endsWith('end')) this.lines.push(line)
    this.onLine()
  }
}

export interface Told {
  readonly lines: readonly string[]
  readonly content: string
  /** Of the Http2Error that ended it. */
  readonly code: number | undefined
}

/** Reads `bytes` in segments that end at `ends`, each overwritten behind its call. */
export function tell(bytes: Buffer, ends: readonly number[] = [], prefix?: Buffer): Told {
  const log = new FrameLog()
  const reader = new FrameReader(log, FRAME_LIMITS, prefix)
  let code: number | undefined
  let at = 0
  for (const end of [...ends.toSorted((a, b) => a - b), bytes.length]) {
    const segment = Buffer.from(bytes.subarray(at, end))
    at = end
    try {
      reader.read(segment)
    } catch (error) {
      if (!(error instanceof Http2Error)) throw error
      code = error.code
    }
    segment.fill(0xaa)
    if (code !== undefined) break
  }
  return { lines: log.lines, content: log.content, code }
}
