/**
 * Envoy Gateway's Backend (gateway.envoyproxy.io/v1alpha1, api/v1alpha1/backend_types.go): FQDN, IP
 * and unix endpoints, and the settings of TLS towards them. Its IP pattern misses `::1`; any IP
 * address is admitted here.
 */
import * as z from 'zod'
import { localObjectRef, secretRef } from './backend-ref.ts'
import type { Output } from './common.ts'
import { isIpAddress, portNumber, preciseHostname, text } from './common.ts'
import { customResource, withoutNulls } from './meta.ts'
import { report } from './refine.ts'
import { wellKnownCaCertificates } from './tls-validation.ts'

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
  .max(256, 'must have at most 256 endpoints')
  .superRefine((list, context) => {
    const isName = list[0]?.fqdn !== undefined
    const other = list.findIndex((entry) => (entry.fqdn !== undefined) !== isName)
    if (other < 0) return
    report(context, [other], 'must not mix fqdn with other kinds of addresses in one Backend')
  })
  .describe('fqdn is not mixed with other kinds of addresses.')

const tlsVersion = z.enum(['Auto', '1.0', '1.1', '1.2', '1.3'])

/** BackendTLSSettings, BackendTLSConfig and TLSSettings of v1.9, which Envoy Gateway has in one object. */
const tlsSettings = z
  .strictObject({
    caCertificateRefs: z
      .array(localObjectRef)
      .max(8, 'must have at most 8 entries')
      .exactOptional(),
    wellKnownCACertificates: wellKnownCaCertificates.exactOptional(),
    insecureSkipVerify: z.boolean().default(false),
    sni: preciseHostname.exactOptional(),
    autoSNIFromEndpointHostname: z.boolean().exactOptional(),
    clientCertificateRef: secretRef.exactOptional(),
    minVersion: tlsVersion.exactOptional(),
    maxVersion: tlsVersion.exactOptional(),
    ciphers: z.array(z.string()).exactOptional(),
    ecdhCurves: z.array(z.string()).exactOptional(),
    signatureAlgorithms: z.array(z.string()).exactOptional(),
    alpnProtocols: z.array(z.enum(['http/1.0', 'http/1.1', 'h2'])).exactOptional(),
    fingerprints: z.array(z.enum(['JA3', 'JA4'])).exactOptional(),
  })
  .superRefine((tls, context) => {
    if (tls.sni !== undefined && tls.autoSNIFromEndpointHostname === true) {
      report(context, ['autoSNIFromEndpointHostname'], 'must not be true beside sni')
    }
    const hasRefs = (tls.caCertificateRefs ?? []).length > 0
    const isWellKnown = tls.wellKnownCACertificates !== undefined
    if (hasRefs && isWellKnown) {
      report(context, ['wellKnownCACertificates'], 'must not be set beside caCertificateRefs')
    }
    if (tls.insecureSkipVerify && (hasRefs || isWellKnown)) {
      report(context, ['insecureSkipVerify'], 'must not be true beside CA certificates')
    }
  })
  .describe(
    'At most one of caCertificateRefs, wellKnownCACertificates and insecureSkipVerify; not both sni and autoSNIFromEndpointHostname.',
  )

export type EnvoyTlsSettings = Output<typeof tlsSettings>

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
