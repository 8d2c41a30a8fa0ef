/**
 * The registry of upstreams of one worker (decision 13): upstreams by digest, endpoints by place,
 * positions of the round robins by id. It outlives runtimes; everything in it is counted, so that a
 * reload keeps what both configurations name and drops the rest.
 */
import { assertNever } from '../../base/assert-never.ts'
import type { Digest } from '../../base/brand.ts'
import { digestOf } from '../../base/digest.ts'
import { GwProxyError } from '../../base/errors.ts'
import type { EndpointHealth, ResolvedName } from '../../ipc/messages.ts'
import type { Part } from '../../model/snapshot.ts'
import type { CertificatePart } from '../../model/tls.ts'
import type { UpstreamPart, UpstreamTls, WeightedUpstream } from '../../model/upstream.ts'
import type {
  BackendChoice,
  BackendSet,
  Holds,
  RegistryOptions,
  UpstreamRegistry,
} from './contract.ts'
import { Counted } from '../counted.ts'
import { EndpointStore } from './live-endpoint.ts'
import { type Cursor, LiveUpstream } from './live-upstream.ts'
import { NameTable } from './names.ts'
import { OriginTls } from './tls.ts'
import { SmoothWeights } from './weights.ts'

const NONE: BackendChoice = { kind: 'none' }

export function createRegistry(options: RegistryOptions): UpstreamRegistry {
  return new LiveRegistry(options)
}

class LiveRegistry implements UpstreamRegistry {
  readonly #options: RegistryOptions
  readonly #names: NameTable
  readonly #store: EndpointStore
  readonly #upstreams = new Counted<LiveUpstream>((upstream) => upstream.close())
  readonly #origins = new Counted<OriginTls>()
  readonly #cursors = new Counted<Cursor>()
  readonly #positions = new Counted<SmoothWeights>()

  constructor(options: RegistryOptions) {
    this.#options = options
    this.#names = new NameTable(options)
    this.#store = new EndpointStore(options.clock, this.#names, options.counts)
  }

  acquire(
    id: string,
    backends: readonly WeightedUpstream[],
    part: (digest: Digest) => Part,
    holds: Holds = 'weighted',
  ): BackendSet {
    const weights = backends.map(({ weight }) => weight)
    const positionKey = `${id} ${weights.join()}`
    // Before anything is held: a missing part throws, and must leave nothing behind.
    for (const { target } of backends) {
      if (target.kind === 'upstream') upstreamPart(part, target.upstream)
    }
    const releases: (() => void)[] = []
    const choices = this.#choices(backends, part, releases, holds)
    const position = this.#positions.hold(positionKey, () => new SmoothWeights(weights))
    releases.push(() => this.#positions.drop(positionKey))
    return new LiveBackendSet(choices, position, releases)
  }

  updateNames(names: readonly ResolvedName[]): void {
    this.#names.update(names)
  }

  forgetNames(names: readonly string[]): void {
    this.#names.forget(names)
  }

  health(): readonly EndpointHealth[] {
    return [...this.#upstreams.values()].flatMap((upstream) => upstream.health())
  }

  #choices(
    backends: readonly WeightedUpstream[],
    part: (digest: Digest) => Part,
    releases: (() => void)[],
    holds: Holds,
  ): readonly BackendChoice[] {
    try {
      return backends.map((backend) =>
        // A backend of weight 0 receives nothing new, so nothing is kept for it but for sessions.
        backend.weight === 0 && holds === 'weighted' ? NONE : this.#choice(backend, part, releases),
      )
    } catch (error) {
      // Such as a key that cannot be used: nothing stays held.
      for (const release of releases) release()
      throw error
    }
  }

  #choice(
    { target, filters }: WeightedUpstream,
    part: (digest: Digest) => Part,
    releases: (() => void)[],
  ): BackendChoice {
    switch (target.kind) {
      case 'invalid':
        return target
      case 'upstream': {
        const description = upstreamPart(part, target.upstream)
        const upstream = this.#hold(target.upstream, description, part, releases)
        return { kind: 'upstream', upstream, filters }
      }
      default:
        return assertNever(target)
    }
  }

  #hold(
    digest: Digest,
    part: UpstreamPart,
    lookUp: (digest: Digest) => Part,
    releases: (() => void)[],
  ): LiveUpstream {
    const tls = part.tls && this.#origin(part.tls, lookUp, releases)
    // All versions of an upstream go on from one position.
    const cursorKey = `${part.protocol} ${part.name}`
    const cursor = this.#cursors.hold(cursorKey, () => ({ position: 0 }))
    const upstream = this.#upstreams.hold(digest, () => this.#create(part, tls, cursor))
    releases.push(() => {
      this.#upstreams.drop(digest)
      this.#cursors.drop(cursorKey)
    })
    return upstream
  }

  #origin(tls: UpstreamTls, lookUp: (digest: Digest) => Part, releases: (() => void)[]): OriginTls {
    const id = digestOf(tls)
    const origin = this.#origins.hold(id, () => {
      const { clientCertificate } = tls
      if (clientCertificate === undefined) return new OriginTls(tls, undefined)
      const { chainPem, keyId } = certificatePart(lookUp, clientCertificate)
      return new OriginTls(tls, { chainPem, privateKeyPem: this.#options.keyOf(keyId) })
    })
    releases.push(() => this.#origins.drop(id))
    return origin
  }

  #create(part: UpstreamPart, tls: OriginTls | undefined, cursor: Cursor): LiveUpstream {
    const { clock } = this.#options
    return new LiveUpstream({ part, tls, cursor, store: this.#store, names: this.#names, clock })
  }
}

class LiveBackendSet implements BackendSet {
  readonly choices: readonly BackendChoice[]
  readonly #position: SmoothWeights
  #releases: readonly (() => void)[]

  constructor(
    choices: readonly BackendChoice[],
    position: SmoothWeights,
    releases: readonly (() => void)[],
  ) {
    this.choices = choices
    this.#position = position
    this.#releases = releases
  }

  choose(): BackendChoice {
    return this.choices[this.#position.next()] ?? NONE
  }

  release(): void {
    const releases = this.#releases
    this.#releases = []
    for (const release of releases) release()
  }
}

function certificatePart(lookUp: (digest: Digest) => Part, digest: Digest): CertificatePart {
  const part = lookUp(digest)
  if (part.kind === 'certificate') return part
  throw new GwProxyError('GWP_DEFECT_INVARIANT', `part ${digest} is a ${part.kind}, no certificate`)
}

function upstreamPart(lookUp: (digest: Digest) => Part, digest: Digest): UpstreamPart {
  const part = lookUp(digest)
  if (part.kind === 'upstream') return part
  throw new GwProxyError('GWP_DEFECT_INVARIANT', `part ${digest} is a ${part.kind}, no upstream`)
}
