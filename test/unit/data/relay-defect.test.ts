/** What a raw relay is told of writes and FINs, when something of ours throws there. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import type { Native, Request, TcpHandle } from '../../../src/data/io/raw/native.ts'
import { NO_BYTES, type RawEnd } from '../../../src/data/io/relay-end.ts'
import { RawRelay, RawRelays } from '../../../src/data/relay/raw.ts'
import { TimerWheel } from '../../../src/data/timer-wheel.ts'

const DEFECT = new Error('a handle that is none')

class RequestStub implements Request {
  oncomplete: (status: number) => void = () => {}
}

/** Its writes and shutdowns wait until their request is completed. */
class HandleStub {
  readonly requests: Request[] = []
  readonly breaksAt: 'readStart' | 'reset'
  onread: (buffer: ArrayBuffer | undefined) => void = () => {}
  isBroken = false

  constructor(breaksAt: 'readStart' | 'reset') {
    this.breaksAt = breaksAt
  }

  readStart(): number {
    return this.#did('readStart')
  }

  readStop(): number {
    return 0
  }

  useUserBuffer(): void {}

  writeBuffer(request: Request): number {
    this.requests.push(request)
    return 0
  }

  shutdown(request: Request): number {
    this.requests.push(request)
    return 0
  }

  close(): void {}

  reset(): number {
    return this.#did('reset')
  }

  #did(what: 'readStart' | 'reset'): number {
    if (this.isBroken && this.breaksAt === what) throw DEFECT
    return 0
  }
}

function relayOf(downstream: HandleStub, upstream: HandleStub, head: Buffer, ended: boolean) {
  const wheel = new TimerWheel(systemClock)
  const native = { WriteRequest: RequestStub, ShutdownRequest: RequestStub, wroteLater: true }
  const defects: unknown[] = []
  const relay = new RawRelay(
    endOf(downstream, head, ended),
    endOf(upstream, NO_BYTES, false),
    1000,
    new RawRelays(native as unknown as Native, wheel, 0),
    { onRelayEnd: () => {}, onDefect: (error) => defects.push(error) },
  )
  relay.start()
  wheel.stop()
  return defects
}

function endOf(handle: HandleStub, head: Buffer, ended: boolean): RawEnd {
  const tcp = handle as unknown as TcpHandle
  return { kind: 'raw', handle: tcp, head, ended, delays: false }
}

it('behind a write that took its time', () => {
  const [downstream, upstream] = [new HandleStub('readStart'), new HandleStub('readStart')]
  const defects = relayOf(downstream, upstream, Buffer.from('x'), false)
  downstream.isBroken = true
  upstream.requests[0]?.oncomplete(0)
  assert.deepEqual(defects, [DEFECT])
})

it('behind a FIN that took its time', () => {
  const [downstream, upstream] = [new HandleStub('reset'), new HandleStub('reset')]
  const defects = relayOf(downstream, upstream, NO_BYTES, true)
  downstream.isBroken = true
  upstream.requests[0]?.oncomplete(-32)
  assert.deepEqual(defects, [DEFECT])
})
