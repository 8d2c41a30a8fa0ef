/**
 * TLS to upstreams (BackendTLSPolicy; digest section 6.2). Every handshake is a full one, with a full
 * verification unless the manifests say `insecureSkipVerify`: no session is kept, since Node does not look at the name of a resumed one. Whatever
 * goes wrong before it is over is an UpstreamTlsError that says what, and nothing was sent.
 */
import { X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import {
  connect,
  createSecureContext,
  getCACertificates,
  type PeerCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls'
import { assertNever } from '../../base/assert-never.ts'
import type { Digest } from '../../base/brand.ts'
import { digestOf } from '../../base/digest.ts'
import { errnoOf, GwProxyError, messageOf } from '../../base/errors.ts'
import type { UpstreamTls } from '../../model/upstream.ts'
import { TLS_CIPHERS } from '../tls/policy.ts'
import { parseAltNames } from './subject-alt-names.ts'

/** Names of a certificate that a message shows. */
const MAX_SHOWN = 5

/** What the Gateway shows of itself. */
export interface ClientIdentity {
  readonly chainPem: string
  readonly privateKeyPem: string
}

export interface HandshakeOptions {
  /** Empty: none is offered. `h2` alone must be agreed on. */
  readonly alpn: readonly string[]
  readonly timeoutMs: number
}

/** TLS failed on a connected socket; the message is for the log, without secrets. */
export class UpstreamTlsError extends Error {
  override readonly name = 'UpstreamTlsError'
}

/** How upstreams of one policy and Gateway are reached; shared by all connections to them. */
export class OriginTls {
  /** Connections of different ids must never be mixed. */
  readonly id: Digest
  readonly #tls: UpstreamTls
  readonly #verifies: boolean
  readonly #context: SecureContext

  /** Throws when the authorities or the identity cannot be used. */
  constructor(tls: UpstreamTls, identity: ClientIdentity | undefined) {
    this.id = digestOf(tls)
    this.#tls = tls
    this.#verifies = tls.authorities.kind !== 'anyone'
    try {
      this.#context = createSecureContext({
        ca: authoritiesOf(tls),
        // An intermediate may be the trust anchor.
        allowPartialTrustChain: true,
        minVersion: tls.minVersion ?? 'TLSv1.2',
        maxVersion: tls.maxVersion ?? 'TLSv1.3',
        ciphers: TLS_CIPHERS,
        ...(identity && { cert: identity.chainPem, key: identity.privateKeyPem }),
      })
    } catch (cause) {
      throw new GwProxyError('GWP_CERT_INVALID', `TLS of ${tls.policy}: ${messageOf(cause)}`)
    }
  }

  /**
   * Begins TLS on a socket that is connected or connecting, whose `allowHalfOpen` it takes. `done` is called once, unless the
   * socket is destroyed by the caller before: with the secure socket, with the error of the
   * connection attempt, or with an UpstreamTlsError; on errors both sockets are gone.
   */
  begin(
    socket: Socket,
    options: HandshakeOptions,
    done: (error: Error | undefined, secure: TLSSocket) => void,
  ): TLSSocket {
    let connected = !socket.connecting
    let over = false
    socket.once('connect', () => {
      connected = true
    })
    const secure = connect({
      socket,
      servername: this.#tls.hostname,
      secureContext: this.#context,
      rejectUnauthorized: this.#verifies,
      checkServerIdentity: (_name, certificate) => this.#identityError(certificate),
      ...(options.alpn.length > 0 ? { ALPNProtocols: [...options.alpn] } : {}),
    })
    const settle = (error: Error | undefined): void => {
      if (over) return
      over = true
      clearTimeout(timer)
      if (error !== undefined) {
        secure.destroy()
        socket.destroy()
      }
      done(error, secure)
    }
    const fail = (detail: string): void =>
      settle(new UpstreamTlsError(`${this.#tls.policy}: ${detail}`))
    const timer = setTimeout(() => fail('the handshake timed out'), options.timeoutMs)
    secure.on('error', (error) => (connected ? fail(detailOf(error)) : settle(error)))
    secure.once('close', () => fail('closed during the handshake'))
    secure.once('secureConnect', () => {
      const [first, ...others] = options.alpn
      const mustAgree = first !== undefined && others.length === 0 && first !== 'http/1.1'
      if (this.#verifies && !secure.authorized) fail(String(secure.authorizationError))
      else if (mustAgree && secure.alpnProtocol !== first) fail(`it does not speak ${first}`)
      else settle(undefined)
    })
    return secure
  }

  #identityError({ raw }: PeerCertificate): Error | undefined {
    const fault = identityFault(this.#tls, new X509Certificate(raw))
    return fault === undefined ? undefined : new Error(fault)
  }
}

/** Why the certificate is not for whom the policy wants; undefined: it is. Its chain is not judged here. */
export function identityFault(tls: UpstreamTls, certificate: X509Certificate): string | undefined {
  const names = parseAltNames(certificate.subjectAltName)
  const shown = names.slice(0, MAX_SHOWN).map(({ type, value }) => `${type}:${value}`)
  const has = shown.length === 0 ? 'no names' : shown.join(', ')
  if (tls.subjectAltNames.length === 0) {
    const found = certificate.checkHost(tls.hostname, { subject: 'never', partialWildcards: false })
    return found === undefined
      ? `its certificate is not for ${tls.hostname}; it has ${has}`
      : undefined
  }
  const isNamed = tls.subjectAltNames.some(({ type, value }) =>
    names.some((name) => name.type === type && sameName(type, name.value, value)),
  )
  const wanted = tls.subjectAltNames.map(({ type, value }) => `${type}:${value}`)
  return isNamed ? undefined : `its certificate is not for ${wanted.join(' or ')}; it has ${has}`
}

function sameName(type: 'DNS' | 'URI', a: string, b: string): boolean {
  return type === 'DNS' ? a.toLowerCase() === b.toLowerCase() : a === b
}

/** For those who are to be verified never empty: then Node would trust the public authorities. */
function authoritiesOf({ authorities, policy }: UpstreamTls): string[] {
  switch (authorities.kind) {
    case 'bundle':
      if (authorities.caPem.includes('-----BEGIN CERTIFICATE-----')) return [authorities.caPem]
      throw new GwProxyError('GWP_CERT_INVALID', `${policy} has no CA certificate`)
    case 'system': {
      const system = getCACertificates('system')
      // Minimal containers have no store of their own; Node brings Mozilla's.
      return system.length > 0 ? system : getCACertificates('bundled')
    }
    case 'anyone':
      return []
    default:
      return assertNever(authorities)
  }
}

/** OpenSSL's messages hold addresses in memory; its codes name the fault as well. */
function detailOf(error: Error): string {
  const code = errnoOf(error)
  if (code === undefined) return error.message
  return code === 'ECONNRESET' ? 'reset during the handshake' : code
}
