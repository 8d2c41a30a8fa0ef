/** A fault of ours that one client's bytes bring out ends that connection, not the worker. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { it, mock } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { systemClock } from '../../../src/base/clock.ts'
import {
  Connection,
  type ConnectionContext,
  type LiveChain,
  type Router,
} from '../../../src/data/connection.ts'
import { ConnectionSet } from '../../../src/data/connection-set.ts'
import type { CompileContext, LiveAction } from '../../../src/data/handlers/contract.ts'
import { Forward } from '../../../src/data/handlers/forward.ts'
import { compileTlsTerminate } from '../../../src/data/handlers/tls-terminate.ts'
import type { Accepted, AcceptedSink } from '../../../src/data/io/accepted.ts'
import type { IoBackend } from '../../../src/data/io/backend.ts'
import type { DialSink } from '../../../src/data/io/dial.ts'
import type { TcpHandle } from '../../../src/data/io/raw/native.ts'
import { NO_BYTES, type RelayEnd } from '../../../src/data/io/relay-end.ts'
import { TimerWheel } from '../../../src/data/timer-wheel.ts'
import type { TlsHandshake } from '../../../src/data/tls/contract.ts'
import type { Upstream } from '../../../src/data/upstream/contract.ts'
import { DEFAULT_LIMITS } from '../../../src/ipc/messages.ts'
import { bindKey } from '../../../src/model/identity.ts'
import type { TlsTerminateAction } from '../../../src/model/snapshot.ts'
import type { ConnectionRecord, TlsFacts } from '../../../src/observe/access-log.ts'
import { helloMessage, records, serverName } from '../../support/client-hello.ts'

const SLOT = { join: () => {}, leave: () => {} }

/** How the ends of relays were closed. */
const resets: string[] = []

function rawEnd(): RelayEnd {
  const handle = { reset: () => resets.push('reset'), close: () => resets.push('fin') }
  const tcp = handle as unknown as TcpHandle
  return { kind: 'raw', handle: tcp, head: NO_BYTES, ended: false, delays: false }
}

class AcceptedStub implements Accepted {
  readonly peerAddress = '192.0.2.1'
  readonly peerPort = 1
  readonly localAddress = '192.0.2.2'
  readonly localPort = 2
  readonly bytesReceived = 0
  readonly bytesSent = 0
  readonly closed: string[] = []
  sink: AcceptedSink | undefined

  watch(sink: AcceptedSink): void {
    this.sink = sink
  }

  close(how: 'fin' | 'reset'): void {
    this.closed.push(how)
  }

  peek(): void {}
  skip(): void {}
  putSecure(): void {}

  takeSocket(): { readonly socket: Socket; readonly head: Buffer } {
    throw new Error('nobody takes it')
  }

  takeRelayEnd(): RelayEnd {
    throw new Error('nobody takes it')
  }
}

/** A connection whose lines and defects are kept. */
class Scene {
  readonly lines: ConnectionRecord[] = []
  readonly defects: unknown[] = []
  readonly wheel = new TimerWheel(systemClock)
  readonly accepted = new AcceptedStub()
  readonly context: ConnectionContext

  constructor(io?: Partial<IoBackend>) {
    this.context = {
      clock: systemClock,
      wheel: this.wheel,
      io,
      limits: DEFAULT_LIMITS,
      accessLog: {
        connection: (line: ConnectionRecord) => this.lines.push(line),
        exchange: () => {},
      },
      connections: new ConnectionSet(),
      nextId: () => 'id',
      onDefect: (error: unknown) => this.defects.push(error),
    } as unknown as ConnectionContext
  }

  start(ingress: 'tcp' | 'tls', choose: Router['choose']): void {
    const key = bindKey('tcp', '192.0.2.2', 2)
    const router: Router = {
      ...{ key, ingress: { ingress }, choose },
      ...{ wait: () => {}, forget: () => {} },
    }
    new Connection(this.accepted, router, this.context).start()
  }

  /** It ended, once, as a fault of ours. */
  assertOver(defect: Error): void {
    assert.deepEqual(this.accepted.closed, ['reset'])
    assert.deepEqual(this.defects, [defect])
    assert.deepEqual(
      this.lines.map(({ reason, detail }) => [reason, detail]),
      [['internal-error', defect.message]],
    )
    assert.equal(this.context.connections.size, 0)
    this.wheel.stop()
  }
}

for (const [where, ingress] of [
  ['at the accept', 'tcp'],
  ['in the bytes of a peek', 'tls'],
] as const) {
  it(`a defect ${where} costs one connection`, () => {
    const defect = new Error('a table that is none')
    const scene = new Scene()
    scene.start(ingress, () => {
      throw defect
    })
    if (ingress === 'tls') {
      const hello = records(helloMessage({ extensions: [serverName('a.test')] }))
      assert.equal(scene.accepted.sink?.onPeek(hello), true, 'no more is read')
    }
    scene.assertOver(defect)
  })
}

/** What an upstream is asked for, and what its dial tells. */
for (const [where, tell, dropped] of [
  ['when the upstream refuses', (sink) => sink.onDialFailed('connect-refused', 'ECONNREFUSED'), []],
  ['when the upstream is connected', (sink) => sink.onConnected(rawEnd()), ['reset', 'reset']],
] as const satisfies readonly (readonly [string, (sink: DialSink) => void, readonly string[]])[]) {
  it(`a defect ${where} costs one connection`, () => {
    const defect = new Error('a health that is none')
    resets.length = 0
    let sink: DialSink | undefined
    const scene = new Scene({
      dial: (_endpoint, _options, told) => {
        sink = told
        return { cancel: () => {} }
      },
      relay: () => {
        throw defect
      },
    })
    const endpoint = {
      ...{ text: '192.0.2.3:3', tls: undefined, endpoint: undefined },
      ...{ begin: () => {}, end: () => {}, connected: () => {}, succeeded: () => {} },
      failed: () => {
        throw defect
      },
    }
    const upstream = { name: 'u', pick: () => ({ kind: 'endpoint', endpoint }) }
    const action: LiveAction = {
      start: (connection) =>
        new Forward(connection).start({
          kind: 'upstream',
          upstream: upstream as unknown as Upstream,
          filters: [],
        }),
      release: () => {},
    }
    const value = { chain: { action: { kind: 'tcp-forward' } }, slot: SLOT, action }
    scene.accepted.takeRelayEnd = rawEnd
    scene.start('tcp', () => ({
      kind: 'found',
      value: value as unknown as LiveChain,
      name: undefined,
    }))
    assert.ok(sink)
    tell(sink)
    scene.assertOver(defect)
    assert.deepEqual(resets, dropped)
  })
}

it('a defect at the end leaves nothing behind', () => {
  const defects = [new Error('a stage that is none'), new Error('a log that is none')]
  const scene = new Scene()
  const wrote = mock.method(scene.context.accessLog, 'connection', () => {
    throw defects[1]
  })
  const action: LiveAction = {
    start: (connection) => {
      connection.enter({
        stop: () => {
          throw defects[0]
        },
      })
    },
    release: () => {},
  }
  const value = { chain: { action: { kind: 'tcp-forward' } }, slot: SLOT, action }
  scene.start('tcp', () => ({
    kind: 'found',
    value: value as unknown as LiveChain,
    name: undefined,
  }))
  scene.accepted.sink?.onLost('reset', 'ECONNRESET')
  assert.deepEqual(scene.accepted.closed, ['reset'])
  assert.deepEqual(scene.defects, defects)
  assert.equal(wrote.mock.callCount(), 1)
  assert.equal(scene.context.connections.size, 0)
})

it('a defect behind the TLS handshake costs one connection', () => {
  const defect = new Error('a view that is none')
  const scene = new Scene()
  const slot = {
    ...SLOT,
    get view(): never {
      throw defect
    },
  }
  let handshake: TlsHandshake | undefined
  const context = {
    slot,
    tlsDomains: {
      acquire: () => ({
        accept: (_socket: unknown, _head: unknown, begun: TlsHandshake) => {
          handshake = begun
        },
        release: () => {},
      }),
    },
  }
  const action = compileTlsTerminate(
    { kind: 'tls-terminate', then: { kind: 'http' } } as TlsTerminateAction,
    context as unknown as CompileContext,
  )
  const value = { chain: { action: { kind: 'tls-terminate' } }, slot, action }
  scene.accepted.takeSocket = () => ({ socket: {} as Socket, head: NO_BYTES })
  scene.start('tcp', () => ({
    kind: 'found',
    value: value as unknown as LiveChain,
    name: undefined,
  }))
  handshake?.onSecure({} as TLSSocket, { alpn: 'h2' } as TlsFacts)
  scene.assertOver(defect)
})
