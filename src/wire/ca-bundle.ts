/**
 * Reads a bundle of certificate authorities from PEM (RFC 7468). All of it must be readable: of a
 * bundle that is torn or holds something else nobody can tell whom it was meant to trust.
 */
import { X509Certificate } from 'node:crypto'
import { pemBlocks } from './pem.ts'

export interface CaBundle {
  /** Each authority once, in order, without text between them. */
  readonly caPem: string
  readonly authorities: readonly {
    readonly subject: string
    /** Milliseconds since the epoch. */
    readonly notAfter: number
  }[]
}

export type CaBundleResult =
  | { readonly kind: 'bundle'; readonly bundle: CaBundle }
  | { readonly kind: 'problem'; readonly message: string }

/** Never throws for bad input; messages never quote it. */
export function readCaBundle(pem: string): CaBundleResult {
  const blocks = pemBlocks(pem)
  if (blocks.length === 0) {
    return problem(pem.trim() === '' ? 'it is empty' : 'it holds no PEM block "BEGIN CERTIFICATE"')
  }
  if (blocks.length !== pem.split('-----BEGIN ').length - 1) {
    return problem('one of its PEM blocks is not complete')
  }
  const alien = blocks.find(({ label }) => label !== 'CERTIFICATE')
  if (alien?.label === 'X509 CRL') {
    return problem('it holds a revocation list, which is not supported')
  }
  if (alien !== undefined) return problem('it holds something else than certificates')
  const certificates: X509Certificate[] = []
  for (const [index, block] of blocks.entries()) {
    try {
      certificates.push(new X509Certificate(block.text))
    } catch {
      return problem(
        `certificate ${index + 1} of ${blocks.length} is not a valid X.509 certificate`,
      )
    }
  }
  const caPem = [...new Set(certificates.map((certificate) => certificate.toString()))].join('')
  const authorities = certificates.map(({ subject, validToDate }) => ({
    subject: subject.replaceAll('\n', ', '),
    notAfter: validToDate.getTime(),
  }))
  return { kind: 'bundle', bundle: { caPem, authorities } }
}

function problem(message: string): CaBundleResult {
  return { kind: 'problem', message }
}
