/**
 * The TLS side of a worker (decision 3): terminations by trust domain, their servers, their ticket
 * keys. It outlives runtimes: an unchanged listener keeps its servers over a reload, a renewed
 * certificate gets new servers with the same session context and keys, so that sessions resume.
 */
import type { Digest } from '../../base/brand.ts'
import { digestOf } from '../../base/digest.ts'
import { GwProxyError } from '../../base/errors.ts'
import type { KeptPart, TlsTerminateAction } from '../../model/snapshot.ts'
import type { TicketRoots } from '../../model/tls.ts'
import { Counted } from '../counted.ts'
import { BoundedCache } from './bounded-cache.ts'
import type { TlsDomains, TlsTermination } from './contract.ts'
import type { DomainServer } from './domain-server.ts'
import { type KeyedCertificate, Termination, type TerminationContext } from './termination.ts'
import { TicketKeyRing } from './ticket-keys.ts'
import { canRenewTickets } from './ticket-probe.ts'

/** A server with its context takes about 30 KiB. */
const MAX_SERVERS = 2_048

export interface TlsDomainsOptions {
  /** One line for the log: this Node cannot renew tickets, or a certificate cannot be used. */
  warn(message: string): void
  readonly maxServers?: number
  /** Whether tickets can be renewed; tests answer for a Node that cannot. */
  readonly probe?: () => Promise<boolean>
}

/** Without a configuration that ends TLS it costs nothing: `open` does the self-test. */
export function createTlsDomains(options: TlsDomainsOptions): TlsDomains {
  return new LiveDomains(options)
}

export async function openTlsDomains(options: TlsDomainsOptions): Promise<TlsDomains> {
  const domains = createTlsDomains(options)
  await domains.open()
  return domains
}

type KeyOf = (keyId: Digest) => string

class LiveDomains implements TlsDomains {
  readonly #options: TlsDomainsOptions
  readonly #ring = new TicketKeyRing()
  readonly #servers: BoundedCache<DomainServer>
  readonly #terminations = new Counted<Termination>((termination) => termination.close())
  #opened: Promise<void> | undefined
  #context: TerminationContext | undefined

  constructor(options: TlsDomainsOptions) {
    this.#options = options
    this.#servers = new BoundedCache(options.maxServers ?? MAX_SERVERS)
  }

  open(): Promise<void> {
    this.#opened ??= this.#test()
    return this.#opened
  }

  async #test(): Promise<void> {
    const { probe = canRenewTickets, warn } = this.#options
    const renewal = await probe()
    if (!renewal) {
      warn('TLS tickets cannot be renewed on this Node: some clients resume every other time')
    }
    this.#context = { renewal, ring: this.#ring, servers: this.#servers, warn }
  }

  acquire(
    action: TlsTerminateAction,
    part: (digest: Digest) => KeptPart,
    key: KeyOf,
  ): TlsTermination {
    const context = this.#context
    if (context === undefined) {
      throw new GwProxyError('GWP_DEFECT_INVARIANT', 'TLS domains are not open')
    }
    const id = idOf(action)
    const termination = this.#terminations.hold(id, () => {
      const named = action.certificates.map((digest) => namedCertificate(digest, part, key))
      return new Termination(id, action, named, context)
    })
    return new HeldTermination(this, termination)
  }

  drop({ id }: Termination): void {
    this.#terminations.drop(id)
  }

  setTicketRoots(roots: TicketRoots): void {
    this.#ring.setRoots(roots)
    // Without the callback a server's keys are fixed: the next handshakes get new servers.
    if (this.#context?.renewal === false) this.#servers.clear()
  }
}

/** Of one action: an object of its own, so that a second release is none. */
class HeldTermination implements TlsTermination {
  readonly #termination: Termination
  #domains: LiveDomains | undefined

  constructor(domains: LiveDomains, termination: Termination) {
    this.#domains = domains
    this.#termination = termination
  }

  accept(...[socket, head, handshake]: Parameters<TlsTermination['accept']>): void {
    this.#termination.accept(socket, head, handshake)
  }

  release(): void {
    const domains = this.#domains
    this.#domains = undefined
    domains?.drop(this.#termination)
  }
}

/** Equal for what is served alike. */
function idOf({ domain: { id, clientAuth }, certificates, alpn }: TlsTerminateAction): string {
  const clients = clientAuth.mode === 'none' ? '' : digestOf(clientAuth)
  return [id, clients, alpn.join(), ...certificates].join(' ')
}

function namedCertificate(
  digest: Digest,
  part: (digest: Digest) => KeptPart,
  key: KeyOf,
): KeyedCertificate {
  const found = part(digest)
  if (found.kind !== 'certificate') {
    throw new GwProxyError('GWP_DEFECT_INVARIANT', `part ${digest} is a ${found.kind}`)
  }
  return { digest, part: found, privateKeyPem: key(found.keyId) }
}
