/**
 * The border between a peeked connection and the TLS server of its trust domain (decision 3). The
 * registry behind it outlives runtimes: certificates change inside a domain, sessions resume.
 */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Digest } from '../../base/brand.ts'
import type { Reason } from '../../model/outcome.ts'
import type { KeptPart, TlsTerminateAction } from '../../model/snapshot.ts'
import type { TicketRoots } from '../../model/tls.ts'
import type { TlsFacts } from '../../observe/access-log.ts'

/** What a worker has once. */
export interface TlsDomains {
  /** Before the first `acquire`. Runs the ticket self-test once, in memory and for 2 s at most. */
  open(): Promise<void>
  /**
   * The server of `action.domain` with the certificates of this action; the runtime releases it
   * when it retires. Throws when control did not send a certificate or key. That they fit together
   * was proven when they were read (wire/pem): to prove it again for 10,000 would take seconds.
   */
  acquire(
    action: TlsTerminateAction,
    part: (digest: Digest) => KeptPart,
    /** PEM of a private key by its keyId. */
    key: (keyId: Digest) => string,
  ): TlsTermination
  setTicketRoots(roots: TicketRoots): void
}

export interface TlsTermination {
  /**
   * Takes the paused raw socket over; `head` is what was read from it. Calls exactly one of
   * `onSecure` and `onError`, once. On an error the socket was destroyed by the callee.
   */
  accept(socket: Socket, head: Buffer, handshake: TlsHandshake): void
  release(): void
}

/** Implemented by the connection itself, so that no closure is made per connection. */
export interface TlsHandshake {
  /** Peeked and normalised; undefined: none was sent, or an address. */
  readonly sni: string | undefined
  /** What is left of the connection's total handshake deadline. */
  remainingMs(): number
  onSecure(socket: TLSSocket, facts: TlsFacts): void
  onError(reason: Reason, detail: string): void
}
