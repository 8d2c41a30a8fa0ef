/** One test authority per process, and leaves on request. */
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type IssuedCertificate,
  type IssueOptions,
} from '../../src/wire/issue-certificate.ts'

let authority: Promise<CertificateAuthority> | undefined

export function testAuthority(): Promise<CertificateAuthority> {
  authority ??= createCertificateAuthority('gwproxy test CA')
  return authority
}

/** A leaf for these DNS names; the first is the common name. */
export async function testCertificate(
  dnsNames: readonly string[],
  options: Partial<IssueOptions> = {},
): Promise<IssuedCertificate> {
  const ca = await testAuthority()
  return ca.issue({ commonName: dnsNames[0] ?? 'test', dnsNames, ...options })
}
