/**
 * Tickets that are renewed. Node sends no new ticket on a resumed TLS 1.3 handshake, so a client
 * that uses each ticket once (RFC 8446 appendix C.4) would resume only every other time. The cause
 * is Node's built-in ticket key callback, which never answers "valid, renew". A callback of our own
 * does; the hook for it is undocumented, so this file alone touches it, and only after a handshake
 * at start-up has shown that it works (ticket-probe.ts).
 */
import { randomBytes } from 'node:crypto'
import type { Server } from 'node:tls'
import { GwProxyError } from '../../base/errors.ts'
import type { DomainTicketKeys } from './ticket-keys.ts'

/**
 * What the callback answers: a verdict, then keys; for a new ticket also its name and IV. The keys
 * must be there whatever the verdict: without them Node aborts the process (seen on 24.21), and a
 * ticket with an unknown name is something that any client can send.
 */
type TicketKeyAnswer =
  | readonly [verdict: 0 | 1 | 2, hmac: Buffer, aes: Buffer]
  | readonly [verdict: 1, hmac: Buffer, aes: Buffer, name: Buffer, iv: Buffer]

const UNKNOWN_NAME: TicketKeyAnswer = [0, Buffer.alloc(16), Buffer.alloc(16)]

interface NativeContext {
  onticketkeycallback?: (name: Buffer, iv: Buffer, encrypting: boolean) => TicketKeyAnswer
  enableTicketKeyCallback?(): void
}

export interface TicketPolicy {
  /** Read at every handshake: rotation needs no new server. */
  readonly keys: DomainTicketKeys
  /** False: a resumed session gets no new ticket, so no session outlives the session timeout. */
  readonly renew: boolean
}

/** Throws where this Node has no such hook. */
export function useTicketPolicy(server: Server, policy: TicketPolicy): void {
  const context = nativeContext(server)
  if (context?.enableTicketKeyCallback === undefined) {
    throw new GwProxyError('GWP_RUNTIME_UNSUPPORTED', 'this Node has no ticket key callback')
  }
  context.onticketkeycallback = (name, _iv, encrypting) =>
    encrypting ? newTicket(policy) : openTicket(policy, name)
  context.enableTicketKeyCallback()
}

function newTicket({ keys }: TicketPolicy): TicketKeyAnswer {
  const [newest] = keys.current()
  if (newest === undefined) return UNKNOWN_NAME
  return [1, newest.hmac, newest.aes, newest.name, randomBytes(16)]
}

/** An unknown name is no error: the client gets a full handshake. */
function openTicket({ keys, renew }: TicketPolicy, name: Buffer): TicketKeyAnswer {
  const found = keys.current().find((candidate) => candidate.name.equals(name))
  return found === undefined ? UNKNOWN_NAME : [renew ? 2 : 1, found.hmac, found.aes]
}

/** OpenSSL takes tickets from the context that a connection began with: the server's own. */
function nativeContext(server: Server): NativeContext | undefined {
  const { _sharedCreds: shared } = server as { _sharedCreds?: { context?: NativeContext } }
  return shared?.context
}
