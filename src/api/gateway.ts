/** Gateway (upstream apis/v1/gateway_types.go). */
import * as z from 'zod'
import { localObjectRef, objectRef, secretRef } from './backend-ref.ts'
import type { Output } from './common.ts'
import { HOSTNAME_PATTERN, isIpAddress, patterned, portNumber, text } from './common.ts'
import { labelSelector, listeners } from './listener.ts'
import { customResource, isQualifiedName, KEY_FORM, withoutNulls } from './meta.ts'
import { keysLike, report, unique } from './refine.ts'

/** The CRD's own pattern, whose `^` and `$` bind to the first and last alternative only. */
const ADDRESS_TYPE =
  /^Hostname|IPAddress|NamedAddress|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/

const address = z
  .strictObject({
    type: patterned(1, 253, ADDRESS_TYPE, 'IPAddress, Hostname or NamedAddress').default(
      'IPAddress',
    ),
    value: text(0, 253).exactOptional(),
  })
  .superRefine(({ type, value }, context) => {
    if (value === undefined) return
    if (type === 'IPAddress' && !isIpAddress(value)) {
      report(context, ['value'], 'must be an IPv4 or IPv6 address')
    }
    if (type === 'Hostname' && !HOSTNAME_PATTERN.test(value)) {
      report(context, ['value'], 'must be a lower-case DNS name')
    }
  })
  .describe('value is an address or a DNS name, as type says.')

export type GatewayAddress = Output<typeof address>

const addresses = z
  .array(address)
  .max(16, 'must have at most 16 entries')
  .superRefine(
    unique(
      ({ type, value }) =>
        value !== undefined && ['IPAddress', 'Hostname'].includes(type)
          ? `${type} ${value}`
          : undefined,
      'value',
    ),
  )
  .describe('Values of type IPAddress and Hostname are unique.')

function infrastructureMap<Value extends z.ZodType>(value: Value, max: number) {
  return z
    .record(z.string(), value)
    .refine((map) => Object.keys(map).length <= max, `must have at most ${max} entries`)
    .superRefine(keysLike((key) => isQualifiedName(key) && key.indexOf('/') < 253, KEY_FORM))
    .meta({ maxProperties: max })
}

const infrastructure = z.strictObject({
  labels: infrastructureMap(
    patterned(0, 63, LABEL_VALUE, 'a label value: letters, digits, "-", "_" and "."'),
    8,
  ).exactOptional(),
  annotations: infrastructureMap(text(0, 4096), 16).exactOptional(),
  parametersRef: localObjectRef.exactOptional(),
})

const allowedListeners = z.strictObject({
  namespaces: z
    .strictObject({
      from: z.enum(['All', 'Selector', 'Same', 'None']).default('None'),
      selector: labelSelector.exactOptional(),
    })
    .default({ from: 'None' }),
})

const frontendValidation = z.strictObject({
  mode: z.enum(['AllowValidOnly', 'AllowInsecureFallback']).default('AllowValidOnly'),
  caCertificateRefs: z
    .array(objectRef)
    .min(1, 'must name at least one CA certificate')
    .max(16, 'must have at most 16 entries'),
})

export type FrontendValidation = Output<typeof frontendValidation>

const tlsConfig = z.strictObject({ validation: frontendValidation.exactOptional() })

const perPort = z
  .array(z.strictObject({ port: portNumber, tls: tlsConfig }))
  .max(64, 'must have at most 64 entries')
  .superRefine(unique((entry) => String(entry.port), 'port'))
  .describe('Ports are unique.')

const gatewayTls = z.strictObject({
  backend: z.strictObject({ clientCertificateRef: secretRef.exactOptional() }).exactOptional(),
  frontend: z
    .strictObject({ default: tlsConfig, perPort: perPort.exactOptional() })
    .exactOptional(),
})

export type GatewayTls = Output<typeof gatewayTls>

export const gatewaySchema = withoutNulls(
  customResource(
    ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1beta1'],
    'Gateway',
    z.strictObject({
      gatewayClassName: text(1, 253),
      listeners,
      addresses: addresses.exactOptional(),
      allowedListeners: allowedListeners.exactOptional(),
      defaultScope: z.enum(['All', 'None']).exactOptional(),
      infrastructure: infrastructure.exactOptional(),
      tls: gatewayTls.exactOptional(),
    }),
  ),
)

export type Gateway = Output<typeof gatewaySchema>
