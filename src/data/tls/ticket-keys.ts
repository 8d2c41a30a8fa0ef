/**
 * Keys of session tickets: HKDF-SHA256(root, salt = domain id) for each root and trust domain
 * (decision 3, RFC 5077 section 5.5). Workers with equal roots derive equal keys and so resume each
 * other's sessions; domains never share one. The newest root encrypts, all decrypt.
 */
import { hkdfSync, randomBytes } from 'node:crypto'
import type { Digest } from '../../base/brand.ts'
import type { TicketRoot, TicketRoots } from '../../model/tls.ts'

/** 16 bytes each, the sizes that Node's TLS stack asks for. */
export interface TicketKeys {
  /** Sent in the clear in front of the ticket: the root's id, then bytes of the domain. */
  readonly name: Buffer
  readonly hmac: Buffer
  readonly aes: Buffer
}

/** Newest first. */
export type NonEmpty<T> = readonly [T, ...T[]]

const INFO = 'gwproxy session tickets v1'
const PART_BYTES = 16

/** The roots that this worker knows. */
export class TicketKeyRing {
  #roots: NonEmpty<TicketRoot> = [randomRoot()]

  /** Until control sends roots, a random one of this process alone. */
  get roots(): NonEmpty<TicketRoot> {
    return this.#roots
  }

  /** An empty list is ignored: without a key no ticket could be written. */
  setRoots(roots: TicketRoots): void {
    const [newest, ...older] = roots
    if (newest !== undefined) this.#roots = [newest, ...older]
  }
}

/** The keys of one domain, derived again when the roots change. */
export class DomainTicketKeys {
  readonly #ring: TicketKeyRing
  readonly #domain: Digest
  #derived: { readonly from: NonEmpty<TicketRoot>; readonly keys: NonEmpty<TicketKeys> } | undefined

  constructor(ring: TicketKeyRing, domain: Digest) {
    this.#ring = ring
    this.#domain = domain
  }

  /** Derived at the first handshake with these roots. */
  current(): NonEmpty<TicketKeys> {
    const { roots } = this.#ring
    if (this.#derived?.from !== roots) this.#derived = { from: roots, keys: this.#derive(roots) }
    return this.#derived.keys
  }

  #derive([newest, ...older]: NonEmpty<TicketRoot>): NonEmpty<TicketKeys> {
    return [
      deriveKeys(newest, this.#domain),
      ...older.map((root) => deriveKeys(root, this.#domain)),
    ]
  }
}

export function deriveKeys(root: TicketRoot, domain: Digest): TicketKeys {
  const secret = Buffer.from(root.secret, 'base64')
  const bytes = Buffer.from(hkdfSync('sha256', secret, domain, INFO, 3 * PART_BYTES))
  Buffer.from(root.id, 'hex').copy(bytes, 0, 0, 4)
  return {
    name: bytes.subarray(0, PART_BYTES),
    hmac: bytes.subarray(PART_BYTES, 2 * PART_BYTES),
    aes: bytes.subarray(2 * PART_BYTES),
  }
}

function randomRoot(): TicketRoot {
  return { id: randomBytes(4).toString('hex'), secret: randomBytes(32).toString('base64') }
}
