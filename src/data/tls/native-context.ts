/**
 * The one place that reaches below Node's documented TLS interface: the native context of a server,
 * from which every connection begins. Both hooks are optional here; who uses one says what happens
 * on a Node without it.
 */
import type { Server } from 'node:tls'

export interface NativeContext {
  onticketkeycallback?: (name: Buffer, iv: Buffer, encrypting: boolean) => TicketKeyAnswer
  enableTicketKeyCallback?(): void
  /** What `allowPartialTrustChain` of createSecureContext calls; tls.Server drops that option. */
  setAllowPartialTrustChain?(): void
}

/**
 * What the callback answers: a verdict, then keys; for a new ticket also its name and IV. The keys
 * must be there whatever the verdict: without them Node aborts the process (seen on 24.21), and a
 * ticket with an unknown name is something that any client can send.
 */
export type TicketKeyAnswer =
  | readonly [verdict: 0 | 1 | 2, hmac: Buffer, aes: Buffer]
  | readonly [verdict: 1, hmac: Buffer, aes: Buffer, name: Buffer, iv: Buffer]

export function nativeContext(server: Server): NativeContext | undefined {
  const { _sharedCreds: shared } = server as { _sharedCreds?: { context?: NativeContext } }
  return shared?.context
}
