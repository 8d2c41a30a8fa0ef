/** A registry with a clock that tests turn, and upstream parts by digest. */
import type { Digest } from '../../src/base/brand.ts'
import { digestOf } from '../../src/base/digest.ts'
import type { BackendSet, EndpointState, Upstream } from '../../src/data/upstream/contract.ts'
import { createRegistry } from '../../src/data/upstream/registry.ts'
import type { Part } from '../../src/model/snapshot.ts'
import type { UpstreamPart, WeightedUpstream } from '../../src/model/upstream.ts'

export const NONE_TRIED: ReadonlySet<EndpointState> = new Set()

export class Upstreams {
  now = 0
  readonly failedNames: string[] = []
  readonly registry = createRegistry({
    clock: { now: () => this.now, monotonic: () => this.now },
    onNameFailed: (name) => this.failedNames.push(name),
    keyOf: () => '',
  })
  readonly #parts = new Map<Digest, Part>()

  /** `10.0.0.1` is an address, anything else a name; port 80. */
  backend(name: string, places: readonly string[], weight = 1): WeightedUpstream {
    const part: UpstreamPart = {
      kind: 'upstream',
      name,
      protocol: 'tcp',
      endpoints: places.map((place) =>
        /^[0-9.]+$/.test(place)
          ? { kind: 'ip', address: place, port: 80 }
          : { kind: 'name', name: place, port: 80 },
      ),
    }
    const digest = digestOf(part)
    this.#parts.set(digest, part)
    return { weight, target: { kind: 'upstream', upstream: digest }, filters: [] }
  }

  acquire(id: string, ...backends: readonly WeightedUpstream[]): BackendSet {
    return this.registry.acquire(id, backends, (digest) => this.part(digest))
  }

  /** Those of weight 0 as well. */
  acquireAll(id: string, ...backends: readonly WeightedUpstream[]): BackendSet {
    return this.registry.acquire(id, backends, (digest) => this.part(digest), 'all')
  }

  part(digest: Digest): Part {
    const part = this.#parts.get(digest)
    if (part === undefined) throw new Error(`no part ${digest}`)
    return part
  }
}

/** The upstream of a set with one backend. */
export function upstreamOf(set: BackendSet): Upstream {
  const choice = set.choose()
  if (choice.kind !== 'upstream') throw new Error(`chose ${choice.kind}`)
  return choice.upstream
}

export function endpointOf(
  upstream: Upstream,
  tried: ReadonlySet<EndpointState> = NONE_TRIED,
): EndpointState {
  const pick = upstream.pick(tried)
  if (pick.kind !== 'endpoint') throw new Error(`picked ${pick.kind}`)
  return pick.endpoint
}

/** The addresses of the next `count` picks. */
export function addresses(upstream: Upstream, count: number): string[] {
  return Array.from({ length: count }, () => endpointOf(upstream).text.replace(':80', ''))
}

/** The endpoint of an upstream at this address. */
export function find(upstream: Upstream, address: string): EndpointState {
  const tried = new Set<EndpointState>()
  for (;;) {
    const endpoint = endpointOf(upstream, tried)
    if (endpoint.text === `${address}:80`) return endpoint
    tried.add(endpoint)
  }
}
