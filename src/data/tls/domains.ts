/**
 * The TLS side of a worker (decision 3): terminations by trust domain, their servers, their ticket
 * keys. It outlives runtimes: an unchanged listener keeps its servers over a reload, a renewed
 * certificate gets new servers with the same session context and keys, so that sessions resume.
 */
import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { createSecureContext, type TlsOptions } from 'node:tls'
import type { Digest } from '../../base/brand.ts'
import { GwProxyError, messageOf } from '../../base/errors.ts'
import type { Part, TlsTerminateAction } from '../../model/snapshot.ts'
import type { CertificatePart, TicketRoots, TrustDomain } from '../../model/tls.ts'
import { Counted } from '../counted.ts'
import { BoundedCache } from './bounded-cache.ts'
import {
  type CertificateSet,
  CertificateTable,
  type NamedCertificate,
} from './certificate-table.ts'
import { clientAuthOptions } from './client-auth.ts'
import type { TlsDomains, TlsHandshake, TlsTermination } from './contract.ts'
import { DomainServer } from './domain-server.ts'
import { TLS_POLICY } from './policy.ts'
import { DomainTicketKeys, TicketKeyRing } from './ticket-keys.ts'
import { canRenewTickets } from './ticket-probe.ts'
import { useTicketPolicy } from './ticket-renewal.ts'

/** A server with its context takes about 35 KiB. */
const MAX_SERVERS = 2_048

export interface TlsDomainsOptions {
  /** One line for the log: this Node cannot renew tickets. */
  warn(message: string): void
  readonly maxServers?: number
  /** Whether tickets can be renewed; tests answer for a Node that cannot. */
  readonly probe?: () => Promise<boolean>
}

/** Runs the ticket self-test first, in memory and for 2 s at most. */
export async function openTlsDomains(options: TlsDomainsOptions): Promise<TlsDomains> {
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
  readonly #terminations = new Counted<Termination>((termination) => termination.close())
  /** Certificates whose key was seen to fit. */
  readonly #verified = new WeakSet<CertificatePart>()

  constructor(renewal: boolean, maxServers: number) {
    this.#renewal = renewal
    this.#servers = new BoundedCache(maxServers)
  }

  acquire(action: TlsTerminateAction, part: (digest: Digest) => Part, key: KeyOf): TlsTermination {
    const { domain, certificates, alpn } = action
    const id = [domain.id, alpn.join(), ...certificates].join(' ')
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

interface TerminationContext {
  readonly renewal: boolean
  readonly ring: TicketKeyRing
  readonly servers: BoundedCache<DomainServer>
}

/** One trust domain with one list of certificates and protocols. */
class Termination {
  readonly #id: string
  readonly #domain: TrustDomain
  readonly #alpn: readonly string[]
  readonly #table: CertificateTable
  /** PEM by keyId: copied, since the caller's lookup would hold its runtime. */
  readonly #keys: ReadonlyMap<Digest, string>
  readonly #context: TerminationContext
  readonly #ticketKeys: DomainTicketKeys
  readonly #clientAuth: TlsOptions

  constructor(
    id: string,
    action: TlsTerminateAction,
    table: CertificateTable,
    keys: ReadonlyMap<Digest, string>,
    context: TerminationContext,
  ) {
    this.#id = id
    this.#domain = action.domain
    this.#alpn = action.alpn
    this.#table = table
    this.#keys = keys
    this.#context = context
    this.#ticketKeys = new DomainTicketKeys(context.ring, action.domain.id)
    this.#clientAuth = clientAuthOptions(action.domain.clientAuth)
  }

  accept(socket: Socket, head: Buffer, handshake: TlsHandshake): void {
    const server = this.#serverFor(handshake.sni)
    if (typeof server !== 'string') return server.accept(socket, head, handshake)
    socket.on('error', () => {})
    socket.destroy()
    handshake.onError('no-certificate', server)
  }

  close(): void {
    for (const set of this.#table.sets()) this.#context.servers.delete(this.#serverKey(set))
  }

  /** Or why there is none: what a stranger's name leads to must not throw. */
  #serverFor(name: string | undefined): DomainServer | string {
    const set = this.#table.choose(name)
    if (set === undefined) return 'the listener has no certificate'
    try {
      return this.#context.servers.getOrCreate(this.#serverKey(set), () => this.#create(set))
    } catch (error) {
      return messageOf(error)
    }
  }

  #serverKey(set: CertificateSet): string {
    return `${this.#id} / ${set.key}`
  }

  #create({ parts }: CertificateSet): DomainServer {
    const { clientAuth, id } = this.#domain
    const server = new DomainServer(
      {
        ...TLS_POLICY,
        ...this.#clientAuth,
        cert: parts.map(({ chainPem }) => chainPem),
        key: parts.map(({ keyId }) => this.#keys.get(keyId) ?? ''),
        sessionIdContext: sessionIdContext(id),
        ...(this.#alpn.length > 0 ? { ALPNProtocols: [...this.#alpn] } : {}),
        ...(this.#context.renewal ? {} : { ticketKeys: this.#fixedTicketKeys() }),
      },
      clientAuth,
    )
    if (this.#context.renewal) {
      // A session that speaks for a client certificate ends with its first ticket.
      const renew = clientAuth.mode === 'none'
      useTicketPolicy(server.server, { keys: this.#ticketKeys, renew })
    }
    return server
  }

  #fixedTicketKeys(): Buffer {
    const [newest] = this.#ticketKeys.current()
    if (newest === undefined) throw new GwProxyError('GWP_DEFECT_INVARIANT', 'no ticket keys')
    return Buffer.concat([newest.name, newest.hmac, newest.aes])
  }
}

/** At most 32 bytes (SSL_MAX_SID_CTX_LENGTH), whatever the form of the id. */
function sessionIdContext(id: Digest): string {
  return createHash('sha256').update(id).digest('hex').slice(0, 32)
}

function verify(certificate: CertificatePart, keyPem: string): void {
  try {
    // Node takes an empty key for none and would complain only when a client comes.
    if (keyPem === '') throw new GwProxyError('GWP_CERT_INVALID', 'its private key is missing')
    createSecureContext({ cert: certificate.chainPem, key: keyPem })
  } catch (cause) {
    throw new GwProxyError(
      'GWP_CERT_INVALID',
      `certificate of Secret ${certificate.source} cannot be used: ${messageOf(cause)}`,
    )
  }
}
