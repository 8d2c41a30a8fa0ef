/**
 * One trust domain with one list of certificates and protocols: chooses the certificates by the
 * peeked name and makes the server for them when the first client comes.
 */
import type { Socket } from 'node:net'
import type { TlsOptions } from 'node:tls'
import type { Digest } from '../../base/brand.ts'
import { digestOf } from '../../base/digest.ts'
import { messageOf } from '../../base/errors.ts'
import type { TlsTerminateAction } from '../../model/snapshot.ts'
import type { TrustDomain } from '../../model/tls.ts'
import type { BoundedCache } from './bounded-cache.ts'
import {
  type CertificateSet,
  CertificateTable,
  type NamedCertificate,
} from './certificate-table.ts'
import { clientAuthOptions } from './client-auth.ts'
import type { TlsHandshake } from './contract.ts'
import { DomainServer } from './domain-server.ts'
import { TLS_POLICY } from './policy.ts'
import { DomainTicketKeys, type TicketKeyRing } from './ticket-keys.ts'
import { useTicketPolicy } from './ticket-renewal.ts'

/** What the terminations of a worker share. */
export interface TerminationContext {
  readonly renewal: boolean
  readonly ring: TicketKeyRing
  readonly servers: BoundedCache<DomainServer>
  /** One line for the log. */
  warn(message: string): void
}

export interface KeyedCertificate extends NamedCertificate {
  /** Copied, since the caller's lookup would hold its runtime. */
  readonly privateKeyPem: string
}

/** What a termination needs when clients come: of 10,000, most have none for hours. */
interface Prepared {
  /** Of the id and what it stands for: equal ids alone must not join two trust domains. */
  readonly identity: Digest
  readonly table: CertificateTable
  readonly ticketKeys: DomainTicketKeys
}

export class Termination {
  readonly id: string
  readonly #domain: TrustDomain
  readonly #alpn: readonly string[]
  readonly #certificates: readonly KeyedCertificate[]
  readonly #context: TerminationContext
  readonly #clientAuthOptions: TlsOptions
  #prepared: Prepared | undefined
  /** Keys of sets that cannot be used, of which the log knows; most have none. */
  #told: Set<string> | undefined

  /** Throws when the clients' authorities cannot be used. */
  constructor(
    id: string,
    { domain, alpn }: Pick<TlsTerminateAction, 'domain' | 'alpn'>,
    certificates: readonly KeyedCertificate[],
    context: TerminationContext,
  ) {
    this.id = id
    this.#domain = domain
    this.#alpn = alpn
    this.#certificates = certificates
    this.#context = context
    this.#clientAuthOptions = clientAuthOptions(domain.clientAuth)
  }

  accept(socket: Socket, head: Buffer, handshake: TlsHandshake): void {
    const server = this.#serverFor(handshake.sni)
    if (typeof server !== 'string') return server.accept(socket, head, handshake)
    socket.on('error', () => {})
    socket.destroy()
    handshake.onError('no-certificate', server)
  }

  close(): void {
    for (const set of this.#prepared?.table.sets() ?? [])
      this.#context.servers.delete(this.#serverKey(set))
  }

  /** Or why there is none: what a stranger's name leads to must not throw. */
  #serverFor(name: string | undefined): DomainServer | string {
    const prepared = this.#prepared ?? this.#prepare()
    this.#prepared = prepared
    const set = prepared.table.choose(name)
    if (set === undefined) return 'the listener has no certificate'
    try {
      const { servers } = this.#context
      return servers.getOrCreate(this.#serverKey(set), () => this.#create(set, prepared))
    } catch (error) {
      const sources = set.parts.map(({ source }) => source).join(', ')
      const why = `certificate of Secret ${sources} cannot be used: ${messageOf(error)}`
      // It passed when it was read, so that no condition tells. Once, not for each client.
      this.#told ??= new Set()
      if (!this.#told.has(set.key)) {
        this.#told.add(set.key)
        this.#context.warn(`${why}; its clients are refused, all others are served`)
      }
      return why
    }
  }

  #prepare(): Prepared {
    const identity = digestOf(this.#domain)
    return {
      identity,
      table: new CertificateTable(this.#certificates),
      ticketKeys: new DomainTicketKeys(this.#context.ring, identity),
    }
  }

  #serverKey(set: CertificateSet): string {
    return `${this.id} / ${set.key}`
  }

  #create({ parts }: CertificateSet, { identity, ticketKeys }: Prepared): DomainServer {
    const { clientAuth } = this.#domain
    const keys = new Map(
      this.#certificates.map(({ part, privateKeyPem }) => [part.keyId, privateKeyPem]),
    )
    const server = new DomainServer(
      {
        ...TLS_POLICY,
        ...this.#clientAuthOptions,
        cert: parts.map(({ chainPem }) => chainPem),
        key: parts.map(({ keyId }) => keys.get(keyId) ?? ''),
        sessionIdContext: sessionIdContext(identity),
        ...(this.#alpn.length > 0 ? { ALPNProtocols: [...this.#alpn] } : {}),
        ...(this.#context.renewal ? {} : { ticketKeys: fixedTicketKeys(ticketKeys) }),
      },
      clientAuth,
    )
    if (this.#context.renewal) {
      // A session that speaks for a client certificate ends with its first ticket.
      const renew = clientAuth.mode === 'none'
      useTicketPolicy(server.server, { keys: ticketKeys, renew })
    }
    return server
  }
}

function fixedTicketKeys(keys: DomainTicketKeys): Buffer {
  const [newest] = keys.current()
  return Buffer.concat([newest.name, newest.hmac, newest.aes])
}

/** At most 32 bytes (SSL_MAX_SID_CTX_LENGTH); 192 bits of the digest remain. */
function sessionIdContext(identity: Digest): string {
  return identity.slice(0, 32)
}
