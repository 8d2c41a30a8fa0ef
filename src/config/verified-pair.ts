/**
 * Reads the files of one Secret or ConfigMap at once and checks that they belong together: a key
 * and a chain of different renewals must never be served. No message holds key material.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { KeyFile } from './file-source.ts'
import { describeUnreadable, type Unreadable } from './path-walk.ts'
import { readFileBounded } from './source-cache.ts'

/** Certificates and keys are a few KiB; CA bundles some hundred. */
const MAX_BYTES = 1024 * 1024

export type KeyData =
  | { readonly kind: 'data'; readonly data: ReadonlyMap<string, Uint8Array> }
  | ({ readonly kind: 'problem' } & Unreadable)

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----\n?/g
const PRIVATE_KEY =
  /-----BEGIN ([A-Z0-9]+ )?PRIVATE KEY-----[^-]*-----END ([A-Z0-9]+ )?PRIVATE KEY-----\n?/g

export function readKeyFiles(files: readonly KeyFile[]): KeyData {
  const data = new Map<string, Uint8Array>()
  const contents = new Map<string, Uint8Array>()
  for (const { key, path, part } of files) {
    let bytes = contents.get(path)
    if (bytes === undefined) {
      try {
        bytes = readFileBounded(path, MAX_BYTES).bytes
      } catch (error) {
        return { kind: 'problem', ...describeUnreadable(path, error) }
      }
      if (bytes === undefined) return problem(`${path} is larger than ${MAX_BYTES} bytes`)
      contents.set(path, bytes)
    }
    data.set(key, partOf(bytes, part))
  }
  const pathOf = (key: string) => files.find((file) => file.key === key)?.path ?? key
  const wrong = verify(data, pathOf)
  return wrong === undefined ? { kind: 'data', data } : problem(wrong)
}

function partOf(bytes: Uint8Array, part: KeyFile['part']): Uint8Array {
  if (part === 'all') return bytes
  const pattern = part === 'certificates' ? CERTIFICATE : PRIVATE_KEY
  const blocks = Buffer.from(bytes).toString('latin1').match(pattern) ?? []
  return Buffer.from(blocks.join(''), 'latin1')
}

function verify(
  data: ReadonlyMap<string, Uint8Array>,
  pathOf: (key: string) => string,
): string | undefined {
  const authority = data.get('ca.crt')
  if (authority !== undefined && !isBundle(authority)) {
    return `${pathOf('ca.crt')} holds no complete PEM certificates`
  }
  const certificate = data.get('tls.crt')
  const key = data.get('tls.key')
  if (certificate === undefined || key === undefined) return undefined
  if (!isBundle(certificate)) return `${pathOf('tls.crt')} holds no complete PEM certificates`
  const keyObject = attempt(() => createPrivateKey(Buffer.from(key)))
  if (keyObject === undefined) {
    const isEncrypted = /ENCRYPTED/.test(Buffer.from(key).toString('latin1'))
    return isEncrypted
      ? `the private key in ${pathOf('tls.key')} is encrypted; gwproxy needs it without a passphrase`
      : `${pathOf('tls.key')} holds no complete PEM private key`
  }
  return new X509Certificate(certificate).checkPrivateKey(keyObject)
    ? undefined
    : `the private key in ${pathOf('tls.key')} does not belong to the certificate in ${pathOf('tls.crt')}`
}

/** At least one certificate, all of them whole: a file that is being written fails here. */
function isBundle(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes).toString('latin1')
  const blocks = text.match(CERTIFICATE) ?? []
  const started = text.split('-----BEGIN CERTIFICATE-----').length - 1
  return (
    blocks.length > 0 &&
    blocks.length === started &&
    blocks.every((block) => attempt(() => new X509Certificate(block)) !== undefined)
  )
}

function attempt<T>(build: () => T): T | undefined {
  try {
    return build()
  } catch {
    return undefined
  }
}

function problem(message: string): KeyData {
  return { kind: 'problem', message }
}
