/** A raw relay spares a short connection the call that turns Nagle's algorithm off, and no other. */
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

class HandleStub {
  readonly calls: string[] = []
  onread: (buffer: ArrayBuffer | undefined) => void = () => {}

  readStart(): number {
    return 0
  }

  useUserBuffer(): void {}

  writeBuffer(_request: Request, bytes: Uint8Array): number {
    this.calls.push(Buffer.from(bytes).toString())
    return 0
  }

  setNoDelay(on: boolean): number {
    this.calls.push(on ? 'no delay' : 'delay')
    return 0
  }

  read(text: string): void {
    native.lastRead = text.length
    this.onread(new TextEncoder().encode(text).buffer)
  }
}

function relayed(head: string, delays: boolean): { client: HandleStub; upstream: HandleStub } {
  const [client, upstream] = [new HandleStub(), new HandleStub()]
  const wheel = new TimerWheel(systemClock)
  const sink = { onRelayEnd: assert.fail, onDefect: assert.fail }
  const relays = new RawRelays(native as unknown as Native, wheel, 0)
  const ends = [endOf(client, Buffer.from(head), false), endOf(upstream, NO_BYTES, delays)] as const
  new RawRelay(...ends, 1000, relays, sink).start()
  wheel.stop()
  return { client, upstream }
}

function endOf(handle: HandleStub, head: Buffer, delays: boolean): RawEnd {
  const tcp = handle as unknown as TcpHandle
  return { kind: 'raw', handle: tcp, head, ended: false, delays }
}

it('the second write to an upstream is the first that could wait', () => {
  const { client, upstream } = relayed('hello', true)
  assert.deepEqual(upstream.calls, ['hello'])
  for (const text of ['more', 'still more']) client.read(text)
  assert.deepEqual(upstream.calls, ['hello', 'no delay', 'more', 'still more'])
})

it('without first bytes, too', () => {
  const { client, upstream } = relayed('', true)
  for (const text of ['one', 'two']) client.read(text)
  assert.deepEqual(upstream.calls, ['one', 'no delay', 'two'])
})

it('not where a header was written before, or the listener has turned it off', () => {
  const { client, upstream } = relayed('hello', false)
  client.read('more')
  assert.deepEqual(upstream.calls, ['hello', 'more'])
  assert.deepEqual(client.calls, [])
})
