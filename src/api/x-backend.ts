/** XBackend (upstream apisx/v1alpha1/backend_types.go, GEP-4894): a DNS name outside. */
import * as z from 'zod'
import { secretRef } from './backend-ref.ts'
import type { Output } from './common.ts'
import { LABEL_PATTERN, portNumber, preciseHostname, text } from './common.ts'
import { customResource, withoutNulls } from './meta.ts'
import { payloadOf } from './refine.ts'
import { tlsValidation } from './tls-validation.ts'

const backendTls = z
  .strictObject({
    mode: z.enum(['None', 'ServerOnly', 'ClientAndServer']),
    clientCertificateRef: secretRef.exactOptional(),
    validation: tlsValidation.exactOptional(),
  })
  .superRefine(payloadOf('mode', { ClientAndServer: 'clientCertificateRef' }))
  .describe('clientCertificateRef is for mode ClientAndServer, which needs it.')

export const xBackendSchema = withoutNulls(
  customResource(
    ['gateway.networking.x-k8s.io/v1alpha1'],
    'XBackend',
    z
      .strictObject({
        type: z.literal('ExternalHostname'),
        externalHostname: z
          .strictObject({
            hostname: preciseHostname.refine(
              (name) => !name.endsWith('.cluster.local'),
              'must not end with .cluster.local',
            ),
          })
          .exactOptional(),
        port: z.strictObject({
          name: text(0, 63)
            .refine((name) => name === '' || LABEL_PATTERN.test(name), 'must be a DNS label')
            .exactOptional(),
          port: portNumber,
        }),
        protocol: z.enum(['TCP', 'HTTP', 'HTTP2', 'HTTP11', 'H2C', 'MCP']).exactOptional(),
        tls: backendTls.exactOptional(),
      })
      .superRefine(payloadOf('type', { ExternalHostname: 'externalHostname' }))
      .describe('Type ExternalHostname needs externalHostname.'),
  ),
)

export type XBackend = Output<typeof xBackendSchema>
