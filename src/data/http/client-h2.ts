/**
 * HTTP/2 upstreams by prior knowledge or ALPN (h2c, h2; gRPC): a few connections for each endpoint,
 * each with many calls at once (RFC 9113). A response is complete only after its END_STREAM.
 */
import type { Endpoint } from '../../model/upstream.ts'
import { type CallOwner, Http2Call } from './client-h2-call.ts'
import { Http2Connection, type Http2Options } from './client-h2-connection.ts'
import type {
  UpstreamCall,
  UpstreamClient,
  UpstreamEvents,
  UpstreamRequest,
} from './upstream-client.ts'

const MAX_CONNECTIONS = 16

export class Http2Client implements UpstreamClient, CallOwner {
  readonly #endpoint: Endpoint
  readonly #options: Http2Options
  readonly #connections = new Set<Http2Connection>()
  #isClosed = false

  constructor(endpoint: Endpoint, options: Http2Options) {
    this.#endpoint = endpoint
    this.#options = options
  }

  request(request: UpstreamRequest, events: UpstreamEvents): UpstreamCall {
    const call = new Http2Call(request, events, this)
    this.place(call)
    return call
  }

  place(call: Http2Call): void {
    const connection = this.#connection()
    if (connection === undefined) call.fail('upstream-overflow', 'all connections are full')
    else {
      connection.run(call)
      if (this.#isClosed) connection.close()
    }
  }

  close(): void {
    this.#isClosed = true
    for (const connection of this.#connections) connection.close()
  }

  #connection(): Http2Connection | undefined {
    for (const connection of this.#connections) {
      if (connection.hasRoom) return connection
      // What still runs on it is no reason to have one less.
      if (connection.isClosing) this.#connections.delete(connection)
    }
    if (this.#connections.size >= MAX_CONNECTIONS) return undefined
    const connection = new Http2Connection(this.#endpoint, this.#options, (gone) => {
      this.#connections.delete(gone)
    })
    this.#connections.add(connection)
    return connection
  }
}
