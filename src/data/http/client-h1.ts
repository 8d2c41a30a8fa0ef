/**
 * HTTP/1.1 upstreams: a pool of connections for each endpoint (RFC 9112). A call takes the
 * connection that was used last, a new one while there may be more, else it waits. Connections are
 * given out once in a turn of the event loop, after all that had arrived was read: one that got bytes
 * or its end meanwhile is gone by then, and no stray response becomes an answer.
 */
import { LinkedList } from '../../base/linked-list.ts'
import type { Endpoint } from '../../model/upstream.ts'
import { type ConnectionOwner, Http1Connection, type Http1Options } from './client-h1-connection.ts'
import { Http1Call } from './client-h1-call.ts'
import { requestHead } from './client-h1-request.ts'
import type {
  UpstreamCall,
  UpstreamClient,
  UpstreamEvents,
  UpstreamRequest,
} from './upstream-client.ts'

const MAX_CONNECTIONS = 512
const NO_BYTES = Buffer.alloc(0)
/** Calls that wait for a connection; more are refused as overflow. */
const MAX_WAITING = 1024

export class Http1Client implements UpstreamClient, ConnectionOwner {
  readonly endpoint: Endpoint
  readonly options: Http1Options
  readonly #waiting = new LinkedList<Http1Call>()
  /** The one that was used last at the end. */
  readonly #idle: Http1Connection[] = []
  #connections = 0
  #isScheduled = false
  isClosed = false

  constructor(endpoint: Endpoint, options: Http1Options) {
    this.endpoint = endpoint
    this.options = options
  }

  request(request: UpstreamRequest, events: UpstreamEvents): UpstreamCall {
    const head = requestHead(request)
    const call = new Http1Call(request, events, head ?? NO_BYTES, this.#waiting)
    if (head === undefined) {
      call.fail({ reason: 'internal-error', detail: 'request head', unsent: true })
    } else if (this.#waiting.size >= MAX_WAITING) {
      const detail = 'too many waiting requests'
      call.fail({ reason: 'upstream-overflow', detail, unsent: true })
    } else {
      this.#waiting.add(call)
      this.#schedule()
    }
    return call
  }

  close(): void {
    this.isClosed = true
    for (const connection of [...this.#idle]) connection.close()
  }

  onIdle(connection: Http1Connection): void {
    this.#idle.push(connection)
    if (this.#waiting.size > 0) this.#schedule()
  }

  onGone(connection: Http1Connection): void {
    this.#connections -= 1
    const place = this.#idle.lastIndexOf(connection)
    if (place !== -1) this.#idle.splice(place, 1)
    if (this.#waiting.size > 0) this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(assign, this)
  }

  /** Gives out what is free to those who wait, first come first served. */
  assign(): void {
    this.#isScheduled = false
    for (;;) {
      const call = this.#waiting.first
      if (call === undefined) return
      // A tunnel takes its connection out of the pool.
      const connection = call.request.websocket ? undefined : this.#idle.pop()
      if (connection === undefined && this.#connections >= MAX_CONNECTIONS) return
      this.#waiting.delete(call)
      if (connection !== undefined) connection.send(call)
      else {
        this.#connections += 1
        call.connection = new Http1Connection(this, call)
      }
    }
  }
}

function assign(client: Http1Client): void {
  client.assign()
}
