/** TLS to a backend, in words. */
import type { Explained } from '../../model/explanation.ts'
import type { UpstreamTls } from '../../model/upstream.ts'

/** `BackendTLSPolicy/default/app, SNI app.test, verified for app.test by own authorities` */
export function tlsText({ parts }: Explained, tls: UpstreamTls): string {
  const { policy, hostname, minVersion, maxVersion, clientCertificate } = tls
  const certificate = clientCertificate && parts.get(clientCertificate)
  return [
    policy,
    hostname === '' ? 'no SNI' : `SNI ${hostname}`,
    trustText(tls),
    ...(minVersion === undefined ? [] : [`at least ${minVersion}`]),
    ...(maxVersion === undefined ? [] : [`at most ${maxVersion}`]),
    ...(certificate?.kind === 'certificate' ? [`shows ${certificate.source}`] : []),
  ].join(', ')
}

function trustText({ hostname, subjectAltNames, authorities }: UpstreamTls): string {
  if (authorities.kind === 'anyone') return 'not verified'
  const names = subjectAltNames.map(({ type, value }) => `${type} ${value}`)
  const whose = authorities.kind === 'system' ? 'the authorities of the system' : 'own authorities'
  return `verified for ${names.join(' or ') || hostname} by ${whose}`
}
