/**
 * A relay in the relay thread, which began with the connect: here it is counted, told of and cut.
 * FIN, RST and idleness are as in stream.ts.
 */
import type { Relay } from '../io/backend.ts'
import type { ClosedSink, NativeAccepted } from '../io/native/accepted.ts'
import type { ClosedHow } from '../io/native/relay-thread.ts'
import type { RelaySink } from './stream.ts'

export class NativeRelay implements Relay, ClosedSink {
  readonly #connection: NativeAccepted
  readonly #sink: RelaySink

  constructor(connection: NativeAccepted, sink: RelaySink) {
    this.#connection = connection
    this.#sink = sink
  }

  get bytesReceived(): number {
    return this.#connection.relayed(0)
  }

  get bytesSent(): number {
    return this.#connection.relayed(1)
  }

  start(): void {
    this.#connection.onceClosed(this)
  }

  stop(how: 'fin' | 'reset'): void {
    this.#connection.close(how)
  }

  onClosed(how: ClosedHow, errno: string): void {
    this.#sink.onRelayEnd(how, errno === '' ? undefined : errno)
  }
}
