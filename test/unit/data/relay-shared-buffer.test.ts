/** Raw relays that are read into one buffer: a write that takes its time keeps its bytes. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import type { Native, Request, TcpHandle } from '../../../src/data/io/raw/native.ts'
import { NO_BYTES, type RawEnd } from '../../../src/data/io/relay-end.ts'
import { RawRelay, RawRelays } from '../../../src/data/relay/raw.ts'
import { TimerWheel } from '../../../src/data/timer-wheel.ts'

class RequestStub implements Request {
  oncomplete: (status: number) => void = () => {}
}

const native = {
  ...{ WriteRequest: RequestStub, ShutdownRequest: RequestStub },
  ...{ lastRead: 0, lastOffset: 0, wroteLater: false },
}

interface Pending {
  readonly request: Request
  readonly bytes: Uint8Array
}

/** What is written at once is text here, what is not stays as the handle was given it. */
class HandleStub {
  readonly written: string[] = []
  readonly pending: Pending[] = []
  #userBuffer: Uint8Array | undefined
  onread: (buffer: ArrayBuffer | undefined) => void = () => {}

  readStart(): number {
    return 0
  }

  readStop(): number {
    return 0
  }

  useUserBuffer(buffer: Uint8Array): void {
    this.#userBuffer = buffer
  }

  writeBuffer(request: Request, bytes: Uint8Array): number {
    if (native.wroteLater) this.pending.push({ request, bytes })
    else this.written.push(textOf(bytes))
    return 0
  }

  close(): void {}

  /** Tells whether it was read into a buffer that it has been given. */
  read(text: string): boolean {
    native.lastRead = text.length
    if (this.#userBuffer === undefined) {
      this.onread(new TextEncoder().encode(text).buffer)
      return false
    }
    this.#userBuffer.set(Buffer.from(text))
    this.onread(undefined)
    return true
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString()
}

function chatty(relays: RawRelays): { readonly from: HandleStub; readonly to: HandleStub } {
  const [from, to] = [new HandleStub(), new HandleStub()]
  const sink = { onRelayEnd: assert.fail, onDefect: assert.fail }
  new RawRelay(endOf(from), endOf(to), 1000, relays, sink).start()
  while (!from.read('hi')) assert.ok(to.written.length < 100, 'it never becomes chatty')
  to.written.length = 0
  return { from, to }
}

function endOf(handle: HandleStub): RawEnd {
  const tcp = handle as unknown as TcpHandle
  return { kind: 'raw', handle: tcp, head: NO_BYTES, ended: false, delays: false }
}

function withRelays(use: (relays: RawRelays) => void): void {
  const wheel = new TimerWheel(systemClock)
  use(new RawRelays(native as unknown as Native, wheel, 0))
  wheel.stop()
}

// The second is longer than what is kept for messages that are written at once.
for (const length of [5, 5000]) {
  it(`${length} bytes that wait are not read over by what others read`, () => {
    withRelays((relays) => {
      const [slow, other] = [chatty(relays), chatty(relays)]
      native.wroteLater = true
      slow.from.read('s'.repeat(length))
      other.from.read('t'.repeat(length))
      native.wroteLater = false
      const more = chatty(relays)
      more.from.read('u'.repeat(length))
      assert.deepEqual(more.to.written, ['u'.repeat(length)])
      for (const [pair, letter] of [
        [slow, 's'],
        [other, 't'],
      ] as const) {
        const [waiting] = pair.to.pending
        assert.ok(waiting)
        assert.equal(textOf(waiting.bytes), letter.repeat(length))
        waiting.request.oncomplete(0)
      }
      slow.from.read('after')
      assert.deepEqual(slow.to.written, ['after'])
    })
  })
}

it('messages of any length after each other are written as they were read', () => {
  withRelays((relays) => {
    const { from, to } = chatty(relays)
    const texts = ['one', 'two', 'three', 'x'.repeat(4096), 'y'.repeat(4097), '!', 'end']
    for (const text of texts) from.read(text)
    assert.deepEqual(to.written, texts)
  })
})
