/**
 * What every downstream TLS server of gwproxy speaks: Mozilla's "intermediate" profile (TLS 1.2 and
 * 1.3, forward secrecy and AEAD only), no renegotiation, no early data, the platform's groups with
 * the post-quantum hybrid first.
 */
import { constants } from 'node:crypto'
import type { TlsOptions } from 'node:tls'

export const TLS_CIPHERS: string = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/** Seconds that a ticket may be used; a renewed ticket starts anew. */
const SESSION_SECONDS = 7_200

/**
 * Node itself never accepts early data. The handshake timeout only backs up the connection's own
 * total deadline, which is shorter.
 */
export const TLS_POLICY: TlsOptions = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: TLS_CIPHERS,
  // All of them are good: the client knows whether it has AES in hardware.
  honorCipherOrder: false,
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  ecdhCurve: 'auto',
  sessionTimeout: SESSION_SECONDS,
  handshakeTimeout: 60_000,
}
