/** The border between connections (below) and exchanges (above). */
import type { Socket } from 'node:net'
import type { TlsFacts } from '../../observe/access-log.ts'
import type { Outcome } from '../../model/outcome.ts'
import type { ListenerKey } from '../../model/identity.ts'
import type { KeptPart } from '../../model/snapshot.ts'
import type { ChainTable } from '../../model/snapshot.ts'
import type { Digest } from '../../base/brand.ts'
import type { Slice } from '../slice.ts'
import type { ProxiedEnds } from '../../wire/proxy-protocol.ts'

/** A connection that speaks HTTP, after TLS or after sniffing the HTTP/2 preface. */
export interface HttpDownstream {
  /** A TLSSocket behind TLS. The HTTP layer owns it from here; bytes already read are unshifted. */
  readonly socket: Socket
  readonly protocol: 'h2' | 'http/1.1'
  readonly connectionId: string
  /** Address and port of the socket's other end, as the log writes them. */
  readonly peer: string
  /** Who it speaks for and what was asked for, after PROXY protocol. */
  readonly ends: ProxiedEnds
  readonly sni: string | undefined
  readonly tls: TlsFacts | undefined
  /** The listener that the SNI chose; undefined on cleartext, where the authority chooses. */
  readonly listener: ListenerKey | undefined
  readonly slot: HttpSlot
  /** Counts an exchange for the connection's log line. */
  exchangeStarted(): void
  /** The connection is over; idempotent. */
  end(outcome: Outcome): void
  /** A fault of ours that this connection's bytes brought out: it ends this connection alone. */
  fail(error: unknown): void
}

/**
 * A cell per bind and chain table that a reload refills. A connection holds the cell, never a
 * runtime, so held connections pin no old tables; each exchange reads `view` at its start.
 */
export interface HttpSlot {
  /** undefined: the listener is gone or its trust domain changed: drain the connection. */
  view: HttpView | undefined
  /** Called when `view` became undefined. Returns unsubscribe. */
  onRetired(callback: () => void): () => void
}

/** Compiled from a ChainTable by `HttpHub.compile`; opaque to the L4 side. */
export interface HttpView {
  /** In slices: the hosts that no other view holds are closed. */
  release(slice: Slice): Promise<void>
}

/** What a worker has once; built by `createHttpHub`. */
export interface HttpHub {
  /**
   * Compiles the listeners of a chain table; the runtime releases it when it retires. `before`: the
   * view in whose place it comes, not yet released.
   */
  compile(
    table: ChainTable,
    part: (digest: Digest) => KeptPart,
    slice: Slice,
    before?: HttpView,
  ): Promise<HttpView>
  accept(downstream: HttpDownstream): void
  /** GOAWAY twice, `connection: close`; what is left at the deadline is cut by the caller. */
  drain(): void
  readonly activeExchanges: number
}
