/**
 * A self-signed certificate for the start-up probe, made in a millisecond with node:crypto alone:
 * the smallest X.509 that TLS accepts (RFC 5280 section 4.1, version 1, empty names).
 */
import { generateKeyPairSync, sign } from 'node:crypto'

const ECDSA_WITH_SHA256 = '2a8648ce3d040302'

export function probeCertificate(): { readonly cert: string; readonly key: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const algorithm = sequence(der(0x06, Buffer.from(ECDSA_WITH_SHA256, 'hex')))
  const tbs = sequence(
    der(0x02, Buffer.from([1])),
    algorithm,
    sequence(),
    sequence(utcTime('200101000000Z'), utcTime('491231235959Z')),
    sequence(),
    publicKey.export({ type: 'spki', format: 'der' }),
  )
  const signature = der(0x03, Buffer.from([0]), sign('sha256', tbs, privateKey))
  const certificate = sequence(tbs, algorithm, signature).toString('base64')
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${certificate}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, ...parts)
}

function utcTime(text: string): Buffer {
  return der(0x17, Buffer.from(text))
}

/** Tag, length (X.690 section 8.1.3, up to 65,535), contents. */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const contents = Buffer.concat(parts)
  const { length } = contents
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), contents])
}
