/**
 * A TLS server that never listens: it takes over raw sockets whose ClientHello was peeked. There is
 * one for each trust domain and set of certificates; the peeked name chose both. No SNI callback is
 * involved: Node takes only one certificate from the context that it returns, so that with RSA and
 * ECDSA side by side every client of the other kind is refused (seen on 24.21). Servers of one
 * domain share session context and ticket keys.
 *
 * Which caller a finished TLSSocket belongs to is told by the pair of addresses, unique among the
 * living connections of a kernel: Node documents no other tie between a TLSSocket and the socket
 * beneath it, and a TLSSocket made by hand reports neither errors nor completion in documented events.
 */
import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls'
import { errnoOf, messageOf } from '../../base/errors.ts'
import { parseHost } from '../../match/hostname.ts'
import type { Reason } from '../../model/outcome.ts'
import type { ClientAuth } from '../../model/tls.ts'
import type { TlsFacts } from '../../observe/access-log.ts'
import { ClientHelloReader } from '../../wire/client-hello.ts'
import { clientCertificateFacts, clientRefusal } from './client-auth.ts'
import type { TlsHandshake } from './contract.ts'
import { factsOf } from './facts.ts'
import type { Offer } from './group.ts'
import { nativeContext } from './native-context.ts'

export class DomainServer {
  readonly server: Server
  readonly #clientAuth: ClientAuth
  readonly #pending = new Map<string, PendingHandshake>()

  /** Throws when a certificate and its key cannot be used. */
  constructor(options: TlsOptions, clientAuth: ClientAuth) {
    this.#clientAuth = clientAuth
    this.server = createServer(options)
    // An intermediate may be the trust anchor (GEP-91). Without the hook such clients are refused.
    if (clientAuth.mode !== 'none') nativeContext(this.server)?.setAllowPartialTrustChain?.()
    this.server.on('secureConnection', (socket) => this.#secured(socket))
    this.server.on('tlsClientError', (error, socket) => this.#failed(error, socket))
  }

  /** As TlsTermination.accept. */
  accept(socket: Socket, head: Buffer, handshake: TlsHandshake): void {
    const key = addressesOf(socket)
    const pending = new PendingHandshake(socket, handshake, offerOf(head), () =>
      this.#forget(key, pending),
    )
    if (key === undefined || socket.destroyed)
      return pending.fail('client-reset', 'gone before the handshake')
    // The kernel gave these addresses away: the older connection is dead, we only had not heard.
    this.#pending.get(key)?.fail('client-reset', 'gone during the handshake')
    this.#pending.set(key, pending)
    if (head.length > 0) socket.unshift(head)
    // A client that ends its stream before the handshake is over is gone, not half-closed.
    socket.allowHalfOpen = false
    this.server.emit('connection', socket)
  }

  #forget(key: string | undefined, pending: PendingHandshake): void {
    if (key !== undefined && this.#pending.get(key) === pending) this.#pending.delete(key)
  }

  #secured(socket: TLSSocket): void {
    socket.on('error', ignore)
    const pending = this.#find(socket)
    if (pending === undefined) return void socket.destroy()
    if (!socket.isSessionReused() && nameOf(socket) !== pending.handshake.sni) {
      return pending.fail('sni-mismatch', 'the TLS stack read another server name than the peek')
    }
    const now = Date.now()
    const refusal = clientRefusal(this.#clientAuth, socket, now)
    if (refusal !== undefined) return pending.fail('client-certificate-refused', refusal)
    const certificate = clientCertificateFacts(this.#clientAuth, socket, now)
    pending.succeed(socket, factsOf(socket, certificate, pending.offer))
  }

  /** Without an address the peer is gone, and the close of the raw socket tells the caller. */
  #failed(error: Error, socket: TLSSocket): void {
    socket.on('error', ignore)
    this.#find(socket)?.fail(reasonOf(error), detailOf(error))
    socket.destroy()
  }

  #find(socket: Socket): PendingHandshake | undefined {
    const key = addressesOf(socket)
    return key === undefined ? undefined : this.#pending.get(key)
  }
}

/** From the hand-over to the one call of `onSecure` or `onError`. */
class PendingHandshake {
  readonly handshake: TlsHandshake
  readonly offer: Offer | undefined
  readonly #socket: Socket
  readonly #settled: () => void
  readonly #onClose = (): void => this.fail('tls-handshake-failed', 'closed during the handshake')
  #done = false

  constructor(
    socket: Socket,
    handshake: TlsHandshake,
    offer: Offer | undefined,
    settled: () => void,
  ) {
    this.handshake = handshake
    this.offer = offer
    this.#socket = socket
    this.#settled = settled
    socket.on('error', ignore)
    socket.once('close', this.#onClose)
  }

  succeed(secure: TLSSocket, facts: TlsFacts): void {
    if (this.#settle()) this.handshake.onSecure(secure, facts)
  }

  fail(reason: Reason, detail: string): void {
    if (!this.#settle()) return
    this.#socket.destroy()
    this.handshake.onError(reason, detail)
  }

  #settle(): boolean {
    if (this.#done) return false
    this.#done = true
    this.#socket.off('close', this.#onClose)
    this.#settled()
    return true
  }
}

/** What was peeked holds the whole hello. */
function offerOf(head: Buffer): Offer | undefined {
  const verdict = new ClientHelloReader(head.length + 1).read(head)
  return verdict.kind === 'complete' ? verdict.hello : undefined
}

/** Also of a TLSSocket, which passes them on from the socket beneath it. undefined: disconnected. */
function addressesOf(socket: Socket): string | undefined {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  if (remoteAddress === undefined || localAddress === undefined) return undefined
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}

/** The server name as the TLS stack read it, in the form of the peek. Never used to route. */
function nameOf(socket: TLSSocket): string | undefined {
  if (typeof socket.servername !== 'string') return undefined
  const host = parseHost(socket.servername)
  // What is no name must not equal a missing one.
  return host.kind === 'name' ? host.name : host.kind === 'address' ? undefined : ''
}

function reasonOf(error: Error): Reason {
  switch (errnoOf(error)) {
    case 'ECONNRESET':
      return 'client-reset'
    case 'ERR_TLS_HANDSHAKE_TIMEOUT':
      return 'handshake-timeout'
    default:
      return 'tls-handshake-failed'
  }
}

/** OpenSSL's messages hold addresses in memory; its codes name the fault as well. */
function detailOf(error: Error): string {
  return errnoOf(error) ?? messageOf(error)
}

function ignore(): void {}
