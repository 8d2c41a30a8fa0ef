/**
 * Tickets that are renewed. Node sends no new ticket on a resumed TLS 1.3 handshake, so a client
 * that uses each ticket once (RFC 8446 appendix C.4) would resume only every other time. The cause
 * is Node's built-in ticket key callback, which never answers "valid, renew". A callback of our own
 * does; the hook for it is undocumented, so it is used only after handshakes at start-up have shown
 * that it works (ticket-probe.ts).
 */
import { randomBytes } from 'node:crypto'
import type { Server } from 'node:tls'
import { GwProxyError } from '../../base/errors.ts'
import { nativeContext, type TicketKeyAnswer } from './native-context.ts'
import type { DomainTicketKeys } from './ticket-keys.ts'

const UNKNOWN_NAME: TicketKeyAnswer = [0, Buffer.alloc(16), Buffer.alloc(16)]

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
  return [1, newest.hmac, newest.aes, newest.name, randomBytes(16)]
}

/** An unknown name is no error: the client gets a full handshake. */
function openTicket({ keys, renew }: TicketPolicy, name: Buffer): TicketKeyAnswer {
  const found = keys.current().find((candidate) => candidate.name.equals(name))
  return found === undefined ? UNKNOWN_NAME : [renew ? 2 : 1, found.hmac, found.aes]
}
