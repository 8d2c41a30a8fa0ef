/** What became of a reference to a backend. */
import type { UpstreamPart } from '../../model/upstream.ts'
import type { RouteRefReason } from '../problem.ts'

/**
 * What will be sent to the upstream: a stream as it came in (`tcp`), a stream that TLS was taken off
 * (`decrypted`), or HTTP as the port's appProtocol says.
 */
export type BackendUse = 'tcp' | 'decrypted' | 'http'

export type Resolution =
  | { readonly kind: 'upstream'; readonly upstream: UpstreamPart }
  /** Faulty: the route's ResolvedRefs says so. */
  | {
      readonly kind: 'unresolved'
      readonly reason: RouteRefReason
      readonly message: string
      readonly help?: string
    }
  /** The reference is sound, but serving it as it stands would be laxer than the manifests ask. */
  | { readonly kind: 'refused'; readonly message: string }

export function unresolved(reason: RouteRefReason, message: string, help?: string): Resolution {
  return { kind: 'unresolved', reason, message, ...(help === undefined ? {} : { help }) }
}
