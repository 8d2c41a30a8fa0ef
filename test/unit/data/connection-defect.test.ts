/** A fault of ours that one client's bytes bring out ends that connection, not the worker. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { Connection, type ConnectionContext, type Router } from '../../../src/data/connection.ts'
import { ConnectionSet } from '../../../src/data/connection-set.ts'
import type { Accepted, AcceptedSink } from '../../../src/data/io/accepted.ts'
import { TimerWheel } from '../../../src/data/timer-wheel.ts'
import { DEFAULT_LIMITS } from '../../../src/ipc/messages.ts'
import { bindKey } from '../../../src/model/identity.ts'
import type { ConnectionRecord } from '../../../src/observe/access-log.ts'
import { helloMessage, records, serverName } from '../../support/client-hello.ts'

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

  takeSocket(): never {
    throw new Error('nobody takes it')
  }

  takeRelayEnd(): never {
    throw new Error('nobody takes it')
  }
}

for (const [where, ingress] of [
  ['at the accept', 'tcp'],
  ['in the bytes of a peek', 'tls'],
] as const) {
  it(`a defect ${where} costs one connection`, () => {
    const lines: ConnectionRecord[] = []
    const defects: unknown[] = []
    const wheel = new TimerWheel(systemClock)
    const context = {
      clock: systemClock,
      wheel,
      limits: DEFAULT_LIMITS,
      accessLog: { connection: (line: ConnectionRecord) => lines.push(line), exchange: () => {} },
      connections: new ConnectionSet(),
      nextId: () => 'id',
      onDefect: (error: unknown) => defects.push(error),
    } as unknown as ConnectionContext
    const defect = new Error('a table that is none')
    const router: Router = {
      key: bindKey('tcp', '192.0.2.2', 2),
      ingress: { ingress },
      choose: () => {
        throw defect
      },
      wait: () => {},
      forget: () => {},
    }
    const accepted = new AcceptedStub()
    new Connection(accepted, router, context).start()
    if (ingress === 'tls') {
      const hello = records(helloMessage({ extensions: [serverName('a.test')] }))
      assert.equal(accepted.sink?.onPeek(hello), true, 'no more is read')
    }
    assert.deepEqual(accepted.closed, ['reset'])
    assert.deepEqual(defects, [defect])
    assert.deepEqual(
      lines.map(({ reason, detail }) => [reason, detail]),
      [['internal-error', 'a table that is none']],
    )
    assert.equal(context.connections.size, 0)
    wheel.stop()
  })
}
