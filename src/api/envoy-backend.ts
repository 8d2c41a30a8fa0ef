/** Envoy Gateway's Backend (gateway.envoyproxy.io/v1alpha1): FQDN, IP and unix endpoints. */
import * as z from 'zod'
import { portNumber, text } from './common.ts'
import type { Output } from './common.ts'
import { customResource, withoutNulls } from './meta.ts'

const endpoint = z.strictObject({
  hostname: z.string().exactOptional(),
  zone: z.string().exactOptional(),
  fqdn: z.strictObject({ hostname: text(1, 253), port: portNumber }).exactOptional(),
  ip: z.strictObject({ address: z.string(), port: portNumber }).exactOptional(),
  unix: z.strictObject({ path: z.string() }).exactOptional(),
})

export const envoyBackendSchema = withoutNulls(
  customResource(
    ['gateway.envoyproxy.io/v1alpha1'],
    'Backend',
    z.strictObject({
      type: z.enum(['Endpoints', 'DynamicResolver']).default('Endpoints'),
      endpoints: z.array(endpoint).max(256, 'must have at most 256 endpoints').exactOptional(),
      appProtocols: z.array(z.string()).exactOptional(),
      fallback: z.boolean().exactOptional(),
      tls: z.looseObject({}).exactOptional(),
    }),
  ),
)

export type EnvoyBackend = Output<typeof envoyBackendSchema>
