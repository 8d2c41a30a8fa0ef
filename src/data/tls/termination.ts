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
import type { ClientAuth } from '../../model/tls.ts'
import type { BoundedCache } from './bounded-cache.ts'
import type { CertificateSet, CertificateTable } from './certificate-table.ts'
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
}

export class Termination {
  readonly #id: string
  readonly #clientAuth: ClientAuth
  /** Of the id and what it stands for: equal ids alone must not join two trust domains. */
  readonly #identity: Digest
  readonly #alpn: readonly string[]
  readonly #table: CertificateTable
  /** PEM by keyId: copied, since the caller's lookup would hold its runtime. */
  readonly #keys: ReadonlyMap<Digest, string>
  readonly #context: TerminationContext
  readonly #ticketKeys: DomainTicketKeys
  readonly #clientAuthOptions: TlsOptions

  constructor(
    id: string,
    action: TlsTerminateAction,
    table: CertificateTable,
    keys: ReadonlyMap<Digest, string>,
    context: TerminationContext,
  ) {
    this.#id = id
    this.#clientAuth = action.domain.clientAuth
    this.#identity = digestOf(action.domain)
    this.#alpn = action.alpn
    this.#table = table
    this.#keys = keys
    this.#context = context
    this.#ticketKeys = new DomainTicketKeys(context.ring, this.#identity)
    this.#clientAuthOptions = clientAuthOptions(action.domain.clientAuth)
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
    const clientAuth = this.#clientAuth
    const server = new DomainServer(
      {
        ...TLS_POLICY,
        ...this.#clientAuthOptions,
        cert: parts.map(({ chainPem }) => chainPem),
        key: parts.map(({ keyId }) => this.#keys.get(keyId) ?? ''),
        sessionIdContext: sessionIdContext(this.#identity),
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
    return Buffer.concat([newest.name, newest.hmac, newest.aes])
  }
}

/** At most 32 bytes (SSL_MAX_SID_CTX_LENGTH); 192 bits of the digest remain. */
function sessionIdContext(identity: Digest): string {
  return identity.slice(0, 32)
}
