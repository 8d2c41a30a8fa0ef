/**
 * What handlers and the HTTP layer see of upstreams. The registry behind it outlives runtimes
 * (decision 13): pools, health, positions of the round robin and resolved names.
 */
import type { Clock } from '../../base/clock.ts'
import type { EndpointHealth, ResolvedName } from '../../ipc/messages.ts'
import type { HttpFilter } from '../../model/http-filter.ts'
import type {
  Endpoint,
  UpstreamPart,
  UpstreamProtocol,
  WeightedUpstream,
} from '../../model/upstream.ts'
import type { KeptPart } from '../../model/snapshot.ts'
import type { Digest } from '../../base/brand.ts'
import type { OriginTls } from './tls.ts'

/** Held by a runtime; `release` when it retires. */
export interface Registry {
  /**
   * A rule's or L4 action's weighted backends. `id` keys the position of the smooth weighted round
   * robin, shared by all connections of the worker and kept over reloads while the weights stay.
   */
  acquire(
    id: string,
    backends: readonly WeightedUpstream[],
    part: (digest: Digest) => KeptPart,
    holds?: Holds,
  ): BackendSet
}

/** `all`: sessions go on in backends of weight 0 too, so those are held as well. */
export type Holds = 'weighted' | 'all'

/** What a worker has once; built by `createRegistry`. */
export interface UpstreamRegistry extends Registry {
  /** Control's `names` message: endpoints change in place, without a new generation. */
  updateNames(names: readonly ResolvedName[]): void
  /** Names that control resolves no more. */
  forgetNames(names: readonly string[]): void
  /** For the heartbeat: every endpoint of every upstream in use. */
  health(): readonly EndpointHealth[]
}

/** What becomes of connections to endpoints; `endpoint` as in the access log. */
export interface EndpointCounts {
  connected(endpoint: string): void
  connectFailed(endpoint: string): void
  ejected(endpoint: string): void
}

export interface RegistryOptions {
  readonly counts?: EndpointCounts
  readonly clock: Clock
  /** A connection to an address of this name failed; at most once a second for each name. */
  onNameFailed(name: string): void
  /** PEM of a private key by its keyId: of the certificates shown to upstreams. */
  keyOf(keyId: Digest): string
}

export interface BackendSet {
  /** Chooses a backend by weight; one call per exchange or connection. */
  choose(): BackendChoice
  /** What `choose` chooses from, in the order of the backends; `none` for those not held. */
  readonly choices: readonly BackendChoice[]
  release(): void
}

export type BackendChoice =
  | {
      readonly kind: 'upstream'
      readonly upstream: Upstream
      readonly filters: readonly HttpFilter[]
    }
  | { readonly kind: 'invalid'; readonly name: string; readonly message: string }
  /** No backends at all, or all weights are 0. */
  | { readonly kind: 'none' }

export interface Upstream {
  readonly name: string
  readonly protocol: UpstreamProtocol
  /** undefined: connections begin without a header. */
  readonly proxyProtocol: UpstreamPart['proxyProtocol']
  /** Fit or not; another list after each change. undefined: a name was never answered yet. */
  readonly endpoints: readonly EndpointState[] | undefined
  /** This one of them is ejected, and others take its place. */
  avoids(endpoint: EndpointState): boolean
  /**
   * Round robin over healthy endpoints that are not in `tried`, a set for each try of an exchange;
   * falls back to ejected ones.
   */
  pick(tried: ReadonlySet<EndpointState>): Pick
  /** Calls back once when a pending name was answered or `timeoutMs` has passed. Returns cancel. */
  whenResolved(timeoutMs: number, callback: () => void): () => void
}

export type Pick =
  | { readonly kind: 'endpoint'; readonly endpoint: EndpointState }
  | { readonly kind: 'none'; readonly reason: 'no-endpoint' | 'name-unresolved' }
  /** A name that was never answered yet: wait with `whenResolved`. */
  | { readonly kind: 'pending' }

/** One endpoint, shared by every upstream that names it with the same protocol and TLS. */
export interface EndpointState {
  readonly endpoint: Endpoint
  readonly text: string
  /** undefined: spoken to in plaintext. */
  readonly tls: OriginTls | undefined
  /** It failed too often of late. */
  readonly isEjected: boolean
  /** A use begins and ends: an endpoint that left the configuration lives until its uses end. */
  begin(): void
  end(): void
  /** A new connection to it is open, and secured where it is to be. */
  connected(): void
  /** Passive ejection: the endpoint answered. */
  succeeded(): void
  /**
   * `connect` (the default): refused, unreachable or timed out; others are preferred at once and the
   * endpoint's name is resolved again. `early-reset`: connected, then lost before the response head.
   */
  failed(kind?: FailureKind): void
  /** A pool that lives and dies with the endpoint. `create` runs once per key. */
  resource<T extends Closable>(key: string, create: () => T): T
}

export type FailureKind = 'connect' | 'early-reset'

export interface Closable {
  /** Finish running work, then close. */
  close(): void
}
