/**
 * An upstream as the client of a session sees it: first the endpoint where the session is, while
 * that serves, then as any other client. A later try may go elsewhere, as Envoy's do: where the
 * session is did not answer well.
 */
import type { UpstreamProtocol } from '../../model/upstream.ts'
import type { EndpointState, Pick, Upstream } from './contract.ts'

export class PinnedUpstream implements Upstream {
  readonly #upstream: Upstream
  readonly #find: (endpoints: readonly EndpointState[]) => EndpointState | undefined
  #firstTry: ReadonlySet<EndpointState> | undefined

  /** `find` gives the endpoint of the session, if it is among these. */
  constructor(
    upstream: Upstream,
    find: (endpoints: readonly EndpointState[]) => EndpointState | undefined,
  ) {
    this.#upstream = upstream
    this.#find = find
  }

  get name(): string {
    return this.#upstream.name
  }

  get protocol(): UpstreamProtocol {
    return this.#upstream.protocol
  }

  get proxyProtocol(): Upstream['proxyProtocol'] {
    return this.#upstream.proxyProtocol
  }

  get endpoints(): readonly EndpointState[] | undefined {
    return this.#upstream.endpoints
  }

  avoids(endpoint: EndpointState): boolean {
    return this.#upstream.avoids(endpoint)
  }

  /** The endpoint may be known only now: its name was being resolved. */
  pick(tried: ReadonlySet<EndpointState>): Pick {
    this.#firstTry ??= tried
    const endpoint = tried === this.#firstTry ? this.#find(this.endpoints ?? []) : undefined
    return endpoint === undefined || this.avoids(endpoint) || tried.has(endpoint)
      ? this.#upstream.pick(tried)
      : { kind: 'endpoint', endpoint }
  }

  whenResolved(timeoutMs: number, callback: () => void): () => void {
    return this.#upstream.whenResolved(timeoutMs, callback)
  }
}
