/** BackendTLSPolicyValidation (upstream apis/v1/backendtlspolicy_types.go), also inline in XBackend. */
import * as z from 'zod'
import { localObjectRef } from './backend-ref.ts'
import type { Output } from './common.ts'
import { hostname, patterned, preciseHostname } from './common.ts'
import { payloadOf, report } from './refine.ts'

const URI = /^(([^:/?#]+):)(\/\/([^/?#]*))([^?#]*)(\?([^#]*))?(#(.*))?/
const WELL_KNOWN =
  /^(System|([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]))$/

export const wellKnownCaCertificates: z.ZodString = patterned(
  1,
  253,
  WELL_KNOWN,
  'System or a name with a domain such as example.com/roots',
)

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
  .superRefine(payloadOf('type', { Hostname: 'hostname', URI: 'uri' }))
  .describe('Exactly the field that belongs to type is set.')

export const tlsValidation = z
  .strictObject({
    caCertificateRefs: z
      .array(localObjectRef)
      .max(8, 'must have at most 8 entries')
      .exactOptional(),
    wellKnownCACertificates: wellKnownCaCertificates.exactOptional(),
    hostname: preciseHostname,
    subjectAltNames: z.array(subjectAltName).max(5, 'must have at most 5 entries').exactOptional(),
  })
  .superRefine(({ caCertificateRefs, wellKnownCACertificates }, context) => {
    const hasRefs = (caCertificateRefs ?? []).length > 0
    const isWellKnown = wellKnownCACertificates !== undefined
    if (hasRefs && isWellKnown) {
      report(context, ['wellKnownCACertificates'], 'must not be set beside caCertificateRefs')
    }
    if (!hasRefs && !isWellKnown) {
      report(
        context,
        ['caCertificateRefs'],
        'must name at least one CA certificate, or wellKnownCACertificates must be System',
      )
    }
  })
  .describe('Exactly one of caCertificateRefs and wellKnownCACertificates.')

export type TlsValidation = Output<typeof tlsValidation>
