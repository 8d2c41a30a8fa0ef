/** Listeners of Gateways and ListenerSets, with the cross-field rules of the CRDs' CEL. */
import * as z from 'zod'
import { secretRef } from './backend-ref.ts'
import type { Output } from './common.ts'
import {
  annotationMap,
  group,
  hostname,
  kindName,
  patterned,
  portNumber,
  sectionName,
} from './common.ts'
import { report, unique } from './refine.ts'

const PROTOCOL =
  /^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9]+$/

/** metav1.LabelSelector; the CRDs leave `operator` open, translate refuses what it does not know. */
export const labelSelector = z.strictObject({
  matchLabels: z.record(z.string(), z.string()).exactOptional(),
  matchExpressions: z
    .array(
      z.strictObject({
        key: z.string(),
        operator: z.string(),
        values: z.array(z.string()).exactOptional(),
      }),
    )
    .exactOptional(),
})

export type LabelSelector = Output<typeof labelSelector>

const routeNamespaces = z.strictObject({
  from: z.enum(['All', 'Selector', 'Same']).default('Same'),
  selector: labelSelector.exactOptional(),
})

const routeGroupKind = z.strictObject({
  group: group.default('gateway.networking.k8s.io'),
  kind: kindName,
})

const allowedRoutes = z.strictObject({
  namespaces: routeNamespaces.default({ from: 'Same' }),
  kinds: z.array(routeGroupKind).max(8, 'must have at most 8 entries').exactOptional(),
})

export type AllowedRoutes = Output<typeof allowedRoutes>

const listenerTls = z
  .strictObject({
    mode: z.enum(['Terminate', 'Passthrough']).default('Terminate'),
    certificateRefs: z.array(secretRef).max(64, 'must have at most 64 entries').exactOptional(),
    options: annotationMap.exactOptional(),
  })
  .superRefine((tls, context) => {
    if (tls.mode !== 'Terminate') return
    if ((tls.certificateRefs ?? []).length > 0 || Object.keys(tls.options ?? {}).length > 0) return
    report(
      context,
      ['certificateRefs'],
      'must name at least one certificate when mode is Terminate (or options must be set)',
    )
  })
  .describe('Mode Terminate needs certificateRefs or options.')

export type ListenerTls = Output<typeof listenerTls>

const listener = z.strictObject({
  name: sectionName,
  hostname: hostname.exactOptional(),
  port: portNumber,
  protocol: patterned(
    1,
    255,
    PROTOCOL,
    'HTTP, HTTPS, TLS, TCP, UDP or a name with a domain such as example.com/foo',
  ),
  tls: listenerTls.exactOptional(),
  allowedRoutes: allowedRoutes.default({ namespaces: { from: 'Same' } }),
})

export type Listener = Output<typeof listener>

export const listeners = z
  .array(listener)
  .min(1, 'must have at least one listener')
  .max(64, 'must have at most 64 listeners')
  .superRefine((list, context) => {
    list.forEach((entry, index) => {
      for (const [field, message] of protocolProblems(entry))
        report(context, [index, ...field], message)
    })
  })
  .superRefine(unique((entry) => entry.name, 'name'))
  .superRefine(
    unique(
      ({ port, protocol, hostname }) => `${port} ${protocol} ${hostname ?? ''}`,
      undefined,
      'port, protocol and hostname',
    ),
  )
  .describe(
    'Names are unique, and so is port, protocol and hostname. No tls for HTTP, TCP and UDP; TLS needs tls; HTTPS terminates; no hostname for TCP and UDP.',
  )

/** What one listener's protocol forbids or demands. */
function protocolProblems(entry: Listener): readonly (readonly [string[], string])[] {
  const { protocol, tls } = entry
  const problems: [string[], string][] = []
  if (['HTTP', 'TCP', 'UDP'].includes(protocol) && tls !== undefined) {
    problems.push([['tls'], `must not be set for protocol ${protocol}`])
  }
  if (protocol === 'HTTPS' && tls !== undefined && tls.mode !== 'Terminate') {
    problems.push([
      ['tls', 'mode'],
      'must be Terminate for protocol HTTPS; for Passthrough use TLS',
    ])
  }
  if (protocol === 'TLS' && tls === undefined) {
    problems.push([['tls'], 'must be set for protocol TLS, with mode Terminate or Passthrough'])
  }
  if (['TCP', 'UDP'].includes(protocol) && entry.hostname !== undefined) {
    problems.push([['hostname'], `must not be set for protocol ${protocol}`])
  }
  return problems
}
