/** What a bind, a listener and a route are called over all generations. */
import type { Brand } from '../base/brand.ts'

/** `tcp/127.0.0.1:443`, `tcp/[::]:443`, `udp/…`: identity of one OS socket over all generations. */
export type BindKey = Brand<string, 'BindKey'>

/** `Gateway/namespace/name/listener`, `ListenerSet/…`: identity of a Gateway API listener over all generations. */
export type ListenerKey = Brand<string, 'ListenerKey'>

/** Which route object an action or rule came from; for logs and metrics only. */
export interface RouteRef {
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

/** `address`: IPv4 or IPv6 literal. */
export function bindKey(transport: 'tcp' | 'udp', address: string, port: number): BindKey {
  const host = address.includes(':') ? `[${address}]` : address
  return `${transport}/${host}:${port}` as BindKey
}
