/** What became of a reference to a backend. */
import type { Resource } from '../../api/resource.ts'
import { type DocumentPath, formatPath } from '../../model/diagnostic.ts'
import { displayKey, type ResourceKey } from '../../model/resource-key.ts'
import type {
  Endpoint,
  NamedEndpoint,
  UpstreamPart,
  UpstreamProtocol,
} from '../../model/upstream.ts'
import type { TranslateContext } from '../context.ts'
import type { RouteRefReason } from '../problem.ts'

/**
 * What will be sent to the upstream: a stream as it came in (`tcp`), a stream that TLS was taken off
 * (`decrypted`), datagrams (`udp`), HTTP as the port's appProtocol says, or gRPC, which is HTTP/2
 * whatever it says.
 */
export type BackendUse = 'tcp' | 'decrypted' | 'udp' | 'http' | 'grpc'

/** How an upstream is spoken to when nothing declares its protocol. */
export function plainProtocolOf(use: BackendUse): UpstreamProtocol {
  return PLAIN_PROTOCOLS[use]
}

const PLAIN_PROTOCOLS = {
  tcp: 'tcp',
  decrypted: 'tcp',
  udp: 'udp',
  http: 'http/1.1',
  grpc: 'h2c',
} as const satisfies Record<BackendUse, UpstreamProtocol>

export type Resolution = { readonly kind: 'upstream'; readonly upstream: UpstreamPart } | Refusal

export type Refusal =
  /** Faulty: the route's ResolvedRefs says so. */
  | {
      readonly kind: 'unresolved'
      readonly reason: RouteRefReason
      readonly message: string
      readonly help?: string
    }
  /** The reference is sound, but serving it as it stands would be laxer than the manifests ask. */
  | { readonly kind: 'refused'; readonly message: string }

export function unresolved(reason: RouteRefReason, message: string, help?: string): Refusal {
  return { kind: 'unresolved', reason, message, ...(help === undefined ? {} : { help }) }
}

export function refused(message: string): Refusal {
  return { kind: 'refused', message }
}

export function notDeclared(key: ResourceKey): Refusal {
  return unresolved('BackendNotFound', `${displayKey(key)} is not declared in any file.`)
}

/** A setting of the backend that does not work yet; it is never left out of account. */
export function notObeyed(
  context: TranslateContext,
  backend: Resource<unknown>,
  path: DocumentPath,
): Refusal {
  const message = `${displayKey(backend.key)} cannot be used: ${formatPath(path)} is not supported yet.`
  context.diagnostics.report(backend, { severity: 'error', code: 'unsupported', path, message })
  return unresolved('InvalidKind', message)
}

/** Named after the reference: the same backend under the same port is one upstream. */
export function upstream(
  key: ResourceKey,
  port: number | undefined,
  protocol: UpstreamProtocol,
  endpoints: readonly (Endpoint | NamedEndpoint)[],
): Resolution {
  return {
    kind: 'upstream',
    upstream: { kind: 'upstream', name: upstreamName(key, port), protocol, endpoints },
  }
}

/** `Service/namespace/name:port`. */
export function upstreamName({ kind, namespace, name }: ResourceKey, port?: number): string {
  return `${kind}/${namespace}/${name}${port === undefined ? '' : `:${port}`}`
}
