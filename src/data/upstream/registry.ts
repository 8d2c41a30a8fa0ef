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
import type { KeptPart } from '../../model/snapshot.ts'
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
import { fixedPosition, type Position, SmoothWeights } from './weights.ts'

const NONE: BackendChoice = { kind: 'none' }

export function createRegistry(options: RegistryOptions): UpstreamRegistry {
  return new LiveRegistry(options)
}

/** An upstream in use, with what it needs: counted as one, whatever the number of its holders. */
interface Supply {
  readonly upstream: LiveUpstream
  /** What backends without filters choose. */
  readonly choice: HeldChoice
  /** All versions of an upstream go on from one position. */
  readonly cursorKey: string
  readonly originId: Digest | undefined
}

/** A choice that knows what it holds. */
interface HeldChoice extends Extract<BackendChoice, { kind: 'upstream' }> {
  readonly digest: Digest
}

class LiveRegistry implements UpstreamRegistry {
  readonly #options: RegistryOptions
  readonly #names: NameTable
  readonly #store: EndpointStore
  readonly #supplies = new Counted<Supply>((supply) => this.#close(supply))
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
    part: (digest: Digest) => KeptPart,
    holds: Holds = 'weighted',
  ): BackendSet {
    // Before anything is held: a missing part throws, and must leave nothing behind.
    for (const { target } of backends) {
      if (target.kind === 'upstream') upstreamPart(part, target.upstream)
    }
    const choices = this.#choices(backends, part, holds)
    const weights = backends.map(({ weight }) => weight)
    const fixed = fixedPosition(weights)
    if (fixed !== undefined) return new LiveBackendSet(this, choices, fixed, undefined)
    const key = `${id} ${weights.join()}`
    const position = this.#positions.hold(key, () => new SmoothWeights(weights))
    return new LiveBackendSet(this, choices, position, key)
  }

  /** `positionKey`: of a position that moves. */
  release(choices: readonly BackendChoice[], positionKey: string | undefined): void {
    for (const choice of choices) if (isHeld(choice)) this.#supplies.drop(choice.digest)
    if (positionKey !== undefined) this.#positions.drop(positionKey)
  }

  updateNames(names: readonly ResolvedName[]): void {
    this.#names.update(names)
  }

  forgetNames(names: readonly string[]): void {
    this.#names.forget(names)
  }

  health(): readonly EndpointHealth[] {
    return [...this.#supplies.values()].flatMap(({ upstream }) => upstream.health())
  }

  #choices(
    backends: readonly WeightedUpstream[],
    part: (digest: Digest) => KeptPart,
    holds: Holds,
  ): readonly BackendChoice[] {
    const choices: BackendChoice[] = []
    try {
      for (const backend of backends) {
        // A backend of weight 0 receives nothing new, so nothing is kept for it but for sessions.
        const isIdle = backend.weight === 0 && holds === 'weighted'
        choices.push(isIdle ? NONE : this.#choice(backend, part, holds))
      }
      // A copy is as long as it must be; a list that grew has room for sixteen more.
      return choices.slice()
    } catch (error) {
      // Such as a key that cannot be used: nothing stays held.
      this.release(choices, undefined)
      throw error
    }
  }

  #choice(
    { target, filters }: WeightedUpstream,
    part: (digest: Digest) => KeptPart,
    holds: Holds,
  ): BackendChoice {
    switch (target.kind) {
      case 'invalid':
        return target
      case 'upstream': {
        const { upstream: digest } = target
        const { choice } = this.#supplies.hold(digest, () => this.#supply(digest, part))
        // Sessions tell the backends of a rule apart by their choices.
        const isShared = filters.length === 0 && holds === 'weighted'
        return isShared ? choice : ({ ...choice, filters } satisfies HeldChoice)
      }
      default:
        return assertNever(target)
    }
  }

  #supply(digest: Digest, lookUp: (digest: Digest) => KeptPart): Supply {
    const part = upstreamPart(lookUp, digest)
    const tls = part.tls && this.#origin(part.tls, lookUp)
    const cursorKey = `${part.protocol} ${part.name}`
    const cursor = this.#cursors.hold(cursorKey, () => ({ position: 0 }))
    const { clock } = this.#options
    const [store, names] = [this.#store, this.#names]
    const upstream = new LiveUpstream({ part, tls, cursor, store, names, clock })
    const choice: HeldChoice = { kind: 'upstream', upstream, filters: [], digest }
    return { upstream, choice, cursorKey, originId: tls?.id }
  }

  #close({ upstream, cursorKey, originId }: Supply): void {
    upstream.close()
    this.#cursors.drop(cursorKey)
    if (originId !== undefined) this.#origins.drop(originId)
  }

  #origin(tls: UpstreamTls, lookUp: (digest: Digest) => KeptPart): OriginTls {
    return this.#origins.hold(digestOf(tls), () => {
      const { clientCertificate } = tls
      if (clientCertificate === undefined) return new OriginTls(tls, undefined)
      const { chainPem, keyId } = certificatePart(lookUp, clientCertificate)
      return new OriginTls(tls, { chainPem, privateKeyPem: this.#options.keyOf(keyId) })
    })
  }
}

function isHeld(choice: BackendChoice): choice is HeldChoice {
  return choice.kind === 'upstream' && 'digest' in choice
}

/** Made for each rule of 10,000: it keeps what it was given, and no closure. */
class LiveBackendSet implements BackendSet {
  readonly choices: readonly BackendChoice[]
  readonly #position: Position
  readonly #positionKey: string | undefined
  #registry: LiveRegistry | undefined

  constructor(
    registry: LiveRegistry,
    choices: readonly BackendChoice[],
    position: Position,
    positionKey: string | undefined,
  ) {
    this.#registry = registry
    this.choices = choices
    this.#position = position
    this.#positionKey = positionKey
  }

  choose(): BackendChoice {
    return this.choices[this.#position.next()] ?? NONE
  }

  release(): void {
    const registry = this.#registry
    this.#registry = undefined
    registry?.release(this.choices, this.#positionKey)
  }
}

function certificatePart(lookUp: (digest: Digest) => KeptPart, digest: Digest): CertificatePart {
  const part = lookUp(digest)
  if (part.kind === 'certificate') return part
  throw new GwProxyError('GWP_DEFECT_INVARIANT', `part ${digest} is a ${part.kind}, no certificate`)
}

function upstreamPart(lookUp: (digest: Digest) => KeptPart, digest: Digest): UpstreamPart {
  const part = lookUp(digest)
  if (part.kind === 'upstream') return part
  throw new GwProxyError('GWP_DEFECT_INVARIANT', `part ${digest} is a ${part.kind}, no upstream`)
}
