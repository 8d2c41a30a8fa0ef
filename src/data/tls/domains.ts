/**
 * The TLS side of a worker (decision 3): terminations by trust domain, their servers, their ticket
 * keys. It outlives runtimes: an unchanged listener keeps its servers over a reload, a renewed
 * certificate gets new servers with the same session context and keys, so that sessions resume.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { Digest } from '../../base/brand.ts'
import { digestOf } from '../../base/digest.ts'
import { GwProxyError, messageOf } from '../../base/errors.ts'
import type { Part, TlsTerminateAction } from '../../model/snapshot.ts'
import type { CertificatePart, TicketRoots } from '../../model/tls.ts'
import { Counted } from '../counted.ts'
import { BoundedCache } from './bounded-cache.ts'
import { CertificateTable, type NamedCertificate } from './certificate-table.ts'
import type { TlsDomains, TlsTermination } from './contract.ts'
import type { DomainServer } from './domain-server.ts'
import { Termination, type TerminationContext } from './termination.ts'
import { TicketKeyRing } from './ticket-keys.ts'
import { canRenewTickets } from './ticket-probe.ts'
import { probeWrites } from './write-probe.ts'

/** A server with its context takes about 30 KiB. */
const MAX_SERVERS = 2_048

export interface TlsDomainsOptions {
  /** One line for the log: this Node cannot renew tickets. */
  warn(message: string): void
  readonly maxServers?: number
  /** Whether tickets can be renewed; tests answer for a Node that cannot. */
  readonly probe?: () => Promise<boolean>
}

/** Runs the ticket self-test first, in memory and for 2 s at most. That of writes may end later. */
export async function openTlsDomains(options: TlsDomainsOptions): Promise<TlsDomains> {
  void probeWrites()
  const renewal = await (options.probe ?? canRenewTickets)()
  if (!renewal) {
    options.warn('TLS tickets cannot be renewed on this Node: some clients resume every other time')
  }
  return new LiveDomains(renewal, options.maxServers ?? MAX_SERVERS)
}

type KeyOf = (keyId: Digest) => string

class LiveDomains implements TlsDomains {
  readonly #renewal: boolean
  readonly #ring = new TicketKeyRing()
  readonly #servers: BoundedCache<DomainServer>
  /** Certificates whose key was seen to fit. */
  readonly #verified = new WeakSet<CertificatePart>()
  readonly #terminations = new Counted<Termination>((termination) => termination.close())

  constructor(renewal: boolean, maxServers: number) {
    this.#renewal = renewal
    this.#servers = new BoundedCache(maxServers)
  }

  acquire(action: TlsTerminateAction, part: (digest: Digest) => Part, key: KeyOf): TlsTermination {
    const { domain, certificates, alpn } = action
    const id = digestOf({ domain, certificates, alpn })
    const termination = this.#terminations.hold(id, () => {
      const named = certificates.map((digest) => this.#certificate(digest, part, key))
      const keys = new Map(named.map(({ part: { keyId } }) => [keyId, key(keyId)]))
      return new Termination(id, action, new CertificateTable(named), keys, this.#context())
    })
    let held = true
    return {
      accept: (socket, head, handshake) => termination.accept(socket, head, handshake),
      release: () => {
        if (held) this.#terminations.drop(id)
        held = false
      },
    }
  }

  setTicketRoots(roots: TicketRoots): void {
    this.#ring.setRoots(roots)
    // Without the callback a server's keys are fixed: the next handshakes get new servers.
    if (!this.#renewal) this.#servers.clear()
  }

  #context(): TerminationContext {
    return { renewal: this.#renewal, ring: this.#ring, servers: this.#servers }
  }

  #certificate(digest: Digest, part: (digest: Digest) => Part, key: KeyOf): NamedCertificate {
    const found = part(digest)
    if (found.kind !== 'certificate') {
      throw new GwProxyError('GWP_DEFECT_INVARIANT', `part ${digest} is a ${found.kind}`)
    }
    if (!this.#verified.has(found)) verify(found, key(found.keyId))
    this.#verified.add(found)
    return { digest, part: found }
  }
}

/**
 * That the certificate can serve was proven when it was read (wire/pem), and a TLS context for each
 * of 10,000 would take seconds: here the pair alone is checked.
 */
function verify({ chainPem, source }: CertificatePart, keyPem: string): void {
  try {
    // The leaf comes first.
    if (new X509Certificate(chainPem).checkPrivateKey(createPrivateKey(keyPem))) return
  } catch (cause) {
    throw unusable(source, messageOf(cause))
  }
  throw unusable(source, 'its private key is another one')
}

function unusable(source: string, why: string): GwProxyError {
  return new GwProxyError(
    'GWP_CERT_INVALID',
    `certificate of Secret ${source} cannot be used: ${why}`,
  )
}
