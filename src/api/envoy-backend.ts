/**
 * Envoy Gateway's Backend (gateway.envoyproxy.io/v1alpha1, api/v1alpha1/backend_types.go): FQDN, IP
 * and unix endpoints, and the settings of TLS towards them. Its IP pattern misses `::1`; any IP
 * address is admitted here.
 */
import * as z from 'zod'
import { localObjectRef } from './backend-ref.ts'
import type { Output } from './common.ts'
import { isIpAddress, portNumber, preciseHostname, text } from './common.ts'
import { customResource, withoutNulls } from './meta.ts'
import { report } from './refine.ts'

const ADDRESS_FIELDS = ['fqdn', 'ip', 'unix'] as const
/** sun_path of a Linux unix socket, in bytes, with its final zero. */
const UNIX_PATH_MAX = 108

const endpoint = z
  .strictObject({
    hostname: preciseHostname.exactOptional(),
    zone: z.string().exactOptional(),
    fqdn: z.strictObject({ hostname: preciseHostname, port: portNumber }).exactOptional(),
    ip: z
      .strictObject({
        address: z.string().refine(isIpAddress, 'must be an IPv4 or IPv6 address'),
        port: portNumber,
      })
      .exactOptional(),
    unix: z
      .strictObject({
        path: text(1, UNIX_PATH_MAX).refine(
          (path) => Buffer.byteLength(path) < UNIX_PATH_MAX && !path.includes('\0'),
          `must be shorter than ${UNIX_PATH_MAX} bytes`,
        ),
      })
      .exactOptional(),
  })
  .superRefine((entry, context) => {
    const present = ADDRESS_FIELDS.filter((field) => entry[field] !== undefined)
    if (present.length === 0) report(context, [], 'must have one of fqdn, ip and unix')
    for (const field of present.slice(1)) {
      report(context, [field], `must not be set beside ${present[0]}`)
    }
  })
  .describe('Exactly one of fqdn, ip and unix.')

export type EnvoyBackendEndpoint = Output<typeof endpoint>

const endpoints = z
  .array(endpoint)
  .min(1, 'must have at least one endpoint')
  .max(64, 'must have at most 64 endpoints')
  .superRefine((list, context) => {
    const isName = list[0]?.fqdn !== undefined
    const other = list.findIndex((entry) => (entry.fqdn !== undefined) !== isName)
    if (other < 0) return
    report(context, [other], 'must not mix fqdn with other kinds of addresses in one Backend')
  })
  .describe('fqdn is not mixed with other kinds of addresses.')

const tlsSettings = z
  .strictObject({
    caCertificateRefs: z
      .array(localObjectRef)
      .max(8, 'must have at most 8 entries')
      .exactOptional(),
    wellKnownCACertificates: z.literal('System').exactOptional(),
    insecureSkipVerify: z.boolean().default(false),
  })
  .superRefine((tls, context) => {
    const hasRefs = (tls.caCertificateRefs ?? []).length > 0
    const isWellKnown = tls.wellKnownCACertificates !== undefined
    if (hasRefs && isWellKnown) {
      report(context, ['wellKnownCACertificates'], 'must not be set beside caCertificateRefs')
    }
    if (tls.insecureSkipVerify && (hasRefs || isWellKnown)) {
      report(context, ['insecureSkipVerify'], 'must not be true beside CA certificates')
    }
  })
  .describe('At most one of caCertificateRefs, wellKnownCACertificates and insecureSkipVerify.')

export const envoyBackendSchema = withoutNulls(
  customResource(
    ['gateway.envoyproxy.io/v1alpha1'],
    'Backend',
    z
      .strictObject({
        type: z.enum(['Endpoints', 'DynamicResolver']).default('Endpoints'),
        endpoints: endpoints.exactOptional(),
        appProtocols: z
          .array(
            z.enum([
              'gateway.envoyproxy.io/h2c',
              'gateway.envoyproxy.io/ws',
              'gateway.envoyproxy.io/wss',
            ]),
          )
          .exactOptional(),
        fallback: z.boolean().exactOptional(),
        tls: tlsSettings.exactOptional(),
      })
      .superRefine((spec, context) => {
        if (spec.type !== 'DynamicResolver' || spec.endpoints === undefined) return
        report(context, ['endpoints'], 'must not be set for type DynamicResolver')
      })
      .describe('Type DynamicResolver has no endpoints.'),
  ),
)

export type EnvoyBackend = Output<typeof envoyBackendSchema>
