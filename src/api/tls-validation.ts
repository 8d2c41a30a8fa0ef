/** BackendTLSPolicyValidation (upstream apis/v1/backendtlspolicy_types.go), also inline in XBackend. */
import * as z from 'zod'
import { localObjectRef } from './backend-ref.ts'
import { hostname, patterned, preciseHostname } from './common.ts'
import type { Output } from './common.ts'

const URI = /^(([^:/?#]+):)(\/\/([^/?#]*))([^?#]*)(\?([^#]*))?(#(.*))?/
const WELL_KNOWN =
  /^(System|([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]))$/

const subjectAltName = z
  .strictObject({
    type: z.enum(['Hostname', 'URI']),
    hostname: hostname.exactOptional(),
    uri: patterned(
      1,
      253,
      URI,
      'an absolute URI with an authority, such as spiffe://example.com/x',
    ).exactOptional(),
  })
  .superRefine((name, context) => {
    for (const [type, field] of [
      ['Hostname', 'hostname'],
      ['URI', 'uri'],
    ] as const) {
      if ((name.type === type) === (name[field] !== undefined)) continue
      const verb = name.type === type ? 'must be set' : 'must not be set'
      context.addIssue({ code: 'custom', path: [field], message: `${verb} for type ${name.type}` })
    }
  })

export const tlsValidation = z
  .strictObject({
    caCertificateRefs: z
      .array(localObjectRef)
      .max(8, 'must have at most 8 entries')
      .exactOptional(),
    wellKnownCACertificates: patterned(
      1,
      253,
      WELL_KNOWN,
      'System or a name with a domain such as example.com/roots',
    ).exactOptional(),
    hostname: preciseHostname,
    subjectAltNames: z.array(subjectAltName).max(5, 'must have at most 5 entries').exactOptional(),
  })
  .superRefine(({ caCertificateRefs, wellKnownCACertificates }, context) => {
    const hasRefs = (caCertificateRefs ?? []).length > 0
    const isWellKnown = wellKnownCACertificates !== undefined
    if (hasRefs && isWellKnown) {
      context.addIssue({
        code: 'custom',
        path: ['wellKnownCACertificates'],
        message: 'must not be set beside caCertificateRefs',
      })
    }
    if (!hasRefs && !isWellKnown) {
      context.addIssue({
        code: 'custom',
        path: ['caCertificateRefs'],
        message: 'must name at least one CA certificate, or wellKnownCACertificates must be System',
      })
    }
  })

export type TlsValidation = Output<typeof tlsValidation>
