/** One request to an HTTP/1.1 upstream: from the queue to its last event, or until it is given up. */
import type { Linked, LinkedList } from '../../base/linked-list.ts'
import type { Http1Connection } from './client-h1-connection.ts'
import type {
  UpstreamCall,
  UpstreamEvents,
  UpstreamFailure,
  UpstreamRequest,
} from './upstream-client.ts'

export class Http1Call implements UpstreamCall, Linked<Http1Call> {
  linkedIn: unknown = undefined
  linkedNext: Http1Call | undefined = undefined
  linkedPrevious: Http1Call | undefined = undefined
  readonly request: UpstreamRequest
  readonly head: Buffer
  readonly #waiting: LinkedList<Http1Call>
  #events: UpstreamEvents | undefined
  /** Set by the connection that serves it. */
  connection: Http1Connection | undefined
  hasHead = false

  constructor(
    request: UpstreamRequest,
    events: UpstreamEvents,
    head: Buffer,
    waiting: LinkedList<Http1Call>,
  ) {
    this.request = request
    this.#events = events
    this.head = head
    this.#waiting = waiting
  }

  /** Of a call that was given up: nobody. */
  get events(): UpstreamEvents {
    return this.#events ?? NOBODY
  }

  pause(): void {
    this.connection?.pause(this)
  }

  resume(): void {
    this.connection?.resume(this)
  }

  abort(): void {
    this.#events = undefined
    this.#waiting.delete(this)
    this.connection?.abort(this)
  }

  /** Told in a turn of its own: what came before the failure goes on to the client first. */
  fail(failure: UpstreamFailure): void {
    setImmediate(tell, this, failure)
  }

  /** The failure's turn has come; of a call that was given up meanwhile nobody hears. */
  tell(failure: UpstreamFailure): void {
    const events = this.#events
    this.#events = undefined
    events?.onError(failure)
  }
}

const NOBODY: UpstreamEvents = {
  onConnected: () => {},
  onInformation: () => {},
  onHead: () => {},
  onData: () => {},
  onEnd: () => {},
  onUpgrade: (_fields, socket) => socket.destroy(),
  onError: () => {},
  onDefect: () => {},
}

function tell(call: Http1Call, failure: UpstreamFailure): void {
  call.tell(failure)
}
