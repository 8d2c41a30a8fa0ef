/**
 * Client certificates (GEP-91). The server asks for one and lets the handshake finish; the verdict
 * falls here, before anybody else sees the socket, because only so the log can tell why.
 */
import { X509Certificate } from 'node:crypto'
import type { TLSSocket, TlsOptions } from 'node:tls'
import { assertNever } from '../../base/assert-never.ts'
import { GwProxyError } from '../../base/errors.ts'
import type { ClientAuth } from '../../model/tls.ts'
import type { ClientCertificateFacts } from '../../observe/access-log.ts'

const PEM_BLOCK = /-----BEGIN [^-]+-----[^-]*-----END [^-]+-----/g

/**
 * Server options of this mode. Throws when a CA of the bundle cannot be read: an empty bundle would
 * make Node trust the public authorities.
 */
export function clientAuthOptions(clientAuth: ClientAuth): TlsOptions {
  switch (clientAuth.mode) {
    case 'none':
      return { requestCert: false }
    case 'require':
    case 'optional-insecure':
      return { requestCert: true, rejectUnauthorized: false, ca: authorities(clientAuth.caPem) }
    default:
      return assertNever(clientAuth)
  }
}

/** Why this client may not pass; undefined: it may. */
export function clientRefusal(
  clientAuth: ClientAuth,
  socket: TLSSocket,
  now: number,
): string | undefined {
  switch (clientAuth.mode) {
    case 'none':
    case 'optional-insecure':
      return undefined
    case 'require':
      return certificateRefusal(socket, now)
    default:
      return assertNever(clientAuth)
  }
}

/** undefined: none was asked for, or none shown. */
export function clientCertificateFacts(
  clientAuth: ClientAuth,
  socket: TLSSocket,
  now: number,
): ClientCertificateFacts | undefined {
  if (clientAuth.mode === 'none') return undefined
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return undefined
  return {
    subject: distinguishedName(certificate.subject),
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    verified: certificateRefusal(socket, now) === undefined,
  }
}

/**
 * Node gives one attribute a line, escaped as RFC 2253 wants, in the order of the certificate; that
 * form reverses it. What is not ASCII is escaped too (section 2.4), so that it fits a header field.
 */
export function distinguishedName(subject: string | undefined): string {
  return (subject ?? '')
    .split('\n')
    .reverse()
    .join(',')
    .replace(/[^\x20-\x7e]/gu, (character) =>
      [...Buffer.from(character)].map((byte) => `\\${hex(byte)}`).join(''),
    )
}

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0')
}

function certificateRefusal(socket: TLSSocket, now: number): string | undefined {
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return 'no client certificate'
  if (!socket.authorized) return `client certificate: ${String(socket.authorizationError)}`
  // A resumed session carries the verdict of its first handshake.
  if (certificate.validToDate.getTime() < now) return 'client certificate: CERT_HAS_EXPIRED'
  return undefined
}

function authorities(caPem: string): string[] {
  const blocks = caPem.match(PEM_BLOCK) ?? []
  if (blocks.length === 0) throw new GwProxyError('GWP_CERT_INVALID', 'no client CA certificate')
  for (const block of blocks) readAuthority(block)
  return [...blocks]
}

function readAuthority(pem: string): void {
  try {
    new X509Certificate(pem)
  } catch (cause) {
    throw new GwProxyError('GWP_CERT_INVALID', 'a client CA certificate is unreadable', { cause })
  }
}
