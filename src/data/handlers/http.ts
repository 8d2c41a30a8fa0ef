/**
 * Chain action `http`: hands a connection to the HTTP layer, as h2 or http/1.1. Behind TLS the
 * ALPN result decides, on cleartext the HTTP/2 preface (RFC 9113 section 3.3, prior knowledge).
 */
import type { Socket } from 'node:net'
import type { Outcome } from '../../model/outcome.ts'
import type { ListenerKey } from '../../model/identity.ts'
import type { HttpAction } from '../../model/snapshot.ts'
import type { TlsFacts } from '../../observe/access-log.ts'
import { sniffHttpPreface } from '../../wire/http-preface.ts'
import type { ProxiedEnds } from '../../wire/proxy-protocol.ts'
import type { ChainSlot } from '../chain-slot.ts'
import { addressText, type Connection, type Inspector, type Stage } from '../connection.ts'
import type { HttpDownstream } from '../http/contract.ts'
import type { CompileContext, LiveAction } from './contract.ts'

class Http implements LiveAction {
  readonly #slot: ChainSlot

  constructor(slot: ChainSlot) {
    this.#slot = slot
  }

  start(connection: Connection): void {
    const { tls } = connection.facts
    if (tls === undefined) new CleartextHttp(connection, this.#slot).start()
    else enterHttp(connection, this.#slot, tls.alpn === 'h2' ? 'h2' : 'http/1.1')
  }

  release(): void {}
}

export function compileHttp(_action: HttpAction, context: CompileContext): LiveAction {
  return new Http(context.slot)
}

/** Reads up to 24 bytes to tell HTTP/2 from HTTP/1.1, under the connection's deadline. */
class CleartextHttp implements Inspector {
  readonly #connection: Connection
  readonly #slot: ChainSlot

  constructor(connection: Connection, slot: ChainSlot) {
    this.#connection = connection
    this.#slot = slot
  }

  start(): void {
    this.#connection.inspect(this, this.#connection.context.limits.headersMs)
  }

  onPeek(bytes: Buffer): boolean {
    const protocol = sniffHttpPreface(bytes)
    if (protocol === 'more') return false
    enterHttp(this.#connection, this.#slot, protocol)
    return true
  }
}

function enterHttp(
  connection: Connection,
  slot: ChainSlot,
  protocol: HttpDownstream['protocol'],
): void {
  if (slot.view === undefined) {
    connection.end({ reason: 'listener-removed' })
    return
  }
  connection.inTime()
  const { socket, head } = connection.accepted.takeSocket()
  const handoff = new HttpHandoff(connection, socket, slot, protocol)
  connection.enter(handoff)
  if (head.length > 0) socket.unshift(head)
  // HTTP/2 knows no half-closed connection, and Node's session would keep one: it is over.
  if (protocol === 'h2') socket.allowHalfOpen = false
  connection.context.httpHub.accept(handoff)
}

/** The connection as the HTTP layer sees it. */
class HttpHandoff implements HttpDownstream, Stage {
  readonly #connection: Connection
  readonly socket: Socket
  readonly slot: ChainSlot
  readonly protocol: HttpDownstream['protocol']
  readonly connectionId: string
  readonly peer: string
  readonly ends: ProxiedEnds
  readonly sni: string | undefined
  readonly tls: TlsFacts | undefined
  readonly listener: ListenerKey | undefined

  constructor(
    connection: Connection,
    socket: Socket,
    slot: ChainSlot,
    protocol: HttpDownstream['protocol'],
  ) {
    this.#connection = connection
    this.socket = socket
    this.slot = slot
    this.protocol = protocol
    this.connectionId = connection.id
    const { accepted, facts } = connection
    this.peer = addressText(accepted.peerAddress, accepted.peerPort)
    this.ends = connection.ends
    this.sni = facts.sni
    this.tls = facts.tls
    this.listener = facts.tls === undefined ? undefined : slot.listener
    facts.exchanges = 0
    // Should the HTTP layer miss the end of its socket, the connection must not outlive it. A turn
    // later, since that layer knows better how it ended.
    socket.once('close', () => setImmediate(() => this.end({ reason: 'client-closed' })))
  }

  exchangeStarted(): void {
    const { facts } = this.#connection
    facts.exchanges = (facts.exchanges ?? 0) + 1
  }

  end(outcome: Outcome): void {
    this.#connection.end(outcome)
  }

  fail(error: unknown): void {
    this.#connection.fail(error)
  }

  /** The sockets are closed by the connection; the HTTP layer sees them close. */
  stop(): void {}
}
