/** What a reference to a backend came to. */
import type { Digest } from '../base/brand.ts'

export type UpstreamTarget =
  | { readonly kind: 'upstream'; readonly upstream: Digest }
  /** A bad reference spoils its own weighted share only: 500, or a reset at L4. */
  | { readonly kind: 'invalid'; readonly name: string; readonly message: string }
