/**
 * Roots of the TLS ticket keys, equal in all workers so that a session resumes on whichever worker
 * accepts (decision 3). Rotated so that a leaked root reveals a day at most (RFC 5077 section 5.5);
 * never written to disk.
 */
import { randomBytes } from 'node:crypto'
import type { TicketRoots } from '../model/tls.ts'

export const TICKET_ROTATION_MS = 8 * 3_600_000

/** The newest encrypts; tickets of the two before it still resume. */
const KEPT = 3

export class TicketRootKeeper {
  #roots: TicketRoots

  /** `inherited`: of the process that this one takes over from. */
  constructor(inherited?: TicketRoots) {
    this.#roots = inherited ?? [newRoot()]
  }

  get roots(): TicketRoots {
    return this.#roots
  }

  rotate(): TicketRoots {
    this.#roots = [newRoot(), ...this.#roots].slice(0, KEPT)
    return this.#roots
  }
}

function newRoot(): TicketRoots[number] {
  return { id: randomBytes(4).toString('hex'), secret: randomBytes(32).toString('base64') }
}
