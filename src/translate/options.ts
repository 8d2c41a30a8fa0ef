/** What the command line says about translation (DESIGN.md decisions 6 to 8). */
import type { Endpoint } from '../model/upstream.ts'
import type { Holdings } from './holdings.ts'
import type { PassMemory } from './pass-memory.ts'

export const DEFAULT_CONTROLLER_NAME = 'gwproxy.dev/gateway-controller'

export interface TranslateOptions {
  /** Who we are in `GatewayClass.spec.controllerName` and in every route's status. */
  readonly controllerName: string
  /** `--gateway-class`: only Gateways of these classes are ours; empty: no restriction. */
  readonly gatewayClasses: readonly string[]
  /** `--address-pool`: each Gateway without own addresses gets one from this CIDR. */
  readonly addressPool?: string
  /** `--service-dns`: name of a Service that no manifest declares; `{name}`, `{namespace}`. */
  readonly serviceDns?: string
  /** The machine can bind `::`: then the wildcard is dual-stack, else 0.0.0.0. */
  readonly hasIpv6: boolean
  /** Our own admin and metrics addresses, canonical: no backend may be one of them. */
  readonly ownEndpoints?: readonly Endpoint[]
  /** Wall clock of this pass, milliseconds since the epoch: judges certificate lifetimes only. */
  readonly now: number
  /** Notes are for `check`; of 10,000 routes each may have one, to be told in every pass. */
  readonly withoutNotes?: boolean
  /** `holdings` of the pass before; absent at a cold start. */
  readonly holdings?: Holdings
  /** What the pass before made of each thing; absent: all is made. */
  readonly memory?: PassMemory
}

export const DEFAULT_OPTIONS: TranslateOptions = {
  controllerName: DEFAULT_CONTROLLER_NAME,
  gatewayClasses: [],
  hasIpv6: true,
  now: 0,
}
