/**
 * What requests for a host get, compiled: its matches, and the live backends of each rule. Shared by
 * all views and names of a worker that have the same part, and counted by it.
 */
import type { Digest } from '../../base/brand.ts'
import { GwProxyError } from '../../base/errors.ts'
import { compileGrpcHost } from '../../match/grpc/table.ts'
import { compileHttpHost, type MatchRequest } from '../../match/http/table.ts'
import type { ExternalAuthFilter, HttpFilter, MirrorFilter } from '../../model/http-filter.ts'
import type { GrpcHostPart, HttpHostPart, HttpRule } from '../../model/http.ts'
import type { Part } from '../../model/snapshot.ts'
import type { WeightedUpstream } from '../../model/upstream.ts'
import { Counted } from '../counted.ts'
import type { BackendSet, Holds, Registry } from '../upstream/contract.ts'
import type { Guards } from './auth/authorize.ts'
import { RuleSessions, type SessionOptions } from './session.ts'

export interface LiveRule {
  readonly rule: HttpRule
  /** For `forward` only. */
  readonly backends: BackendSet | undefined
  /** Of a rule whose clients stay where they were. */
  readonly sessions: RuleSessions | undefined
  /** The share of each mirror, at rule and at backend level. */
  readonly mirrors: ReadonlyMap<HttpFilter, BackendSet>
  /** The service of each external auth filter, as mirrors; undefined: there is none. */
  readonly guards: Guards | undefined
}

export class LiveHosts {
  readonly #registry: Registry
  readonly #sessions: SessionOptions
  readonly #hosts = new Counted<LiveHost>((host) => host.release())

  constructor(registry: Registry, sessions: SessionOptions) {
    this.#registry = registry
    this.#sessions = sessions
  }

  /** Throws what a defect in a part throws; nothing is held then. */
  hold(digest: Digest, part: (digest: Digest) => Part): LiveHost {
    return this.#hosts.hold(
      digest,
      () => new LiveHost(hostPart(part(digest), digest), part, this.#registry, this.#sessions),
    )
  }

  drop(digest: Digest): void {
    this.#hosts.drop(digest)
  }
}

export class LiveHost {
  readonly #matcher: { lookup(request: MatchRequest): { readonly rule: number } | undefined }
  readonly #rules: readonly LiveRule[]
  #held: BackendSet[] = []

  /** Throws what a defect in a part throws, after releasing what was acquired. */
  constructor(
    source: HttpHostPart | GrpcHostPart,
    part: (digest: Digest) => Part,
    registry: Registry,
    sessions: SessionOptions,
  ) {
    const hold: Hold = (id, list, holds) => {
      const held = registry.acquire(id, list, part, holds)
      this.#held.push(held)
      return held
    }
    try {
      this.#rules = source.rules.map((rule) => liveRule(rule, hold, sessions))
      this.#matcher =
        source.kind === 'grpc-host'
          ? compileGrpcHost(source.matches)
          : compileHttpHost(source.matches)
    } catch (error) {
      this.release()
      throw error
    }
  }

  /** The rule that wins, whatever the host of the request. */
  find(request: MatchRequest): LiveRule | undefined {
    const match = this.#matcher.lookup(request)
    return match && this.#rules[match.rule]
  }

  release(): void {
    const held = this.#held
    this.#held = []
    for (const backends of held) backends.release()
  }
}

type Hold = (id: string, list: readonly WeightedUpstream[], holds?: Holds) => BackendSet

function liveRule(rule: HttpRule, hold: Hold, options: SessionOptions): LiveRule {
  const { session, action } = rule
  const mirrors = new Map<HttpFilter, BackendSet>()
  const guards = new Map<HttpFilter, BackendSet>()
  const backendsOf = action.kind === 'forward' ? action.backends : []
  const filters = [rule, ...backendsOf].flatMap((owner) => owner.filters)
  for (const filter of action.kind === 'fail' ? [] : filters) {
    if (filter.kind === 'request-mirror') mirrors.set(filter, hold(filter.id, shareOf(filter)))
    if (filter.kind === 'external-auth') guards.set(filter, hold(filter.id, [wholly(filter)]))
  }
  const own = { rule, mirrors, guards: guards.size === 0 ? undefined : guards }
  if (action.kind !== 'forward') return { ...own, backends: undefined, sessions: undefined }
  const backends = hold(rule.id, action.backends, session && 'all')
  const sessions = session && new RuleSessions(session, action.backends, backends, options)
  return { ...own, backends, sessions }
}

function wholly({ target }: ExternalAuthFilter): WeightedUpstream {
  return { weight: 1, target, filters: [] }
}

/** A mirror is a weighted choice between its target and nothing: exact shares, evenly spread. */
function shareOf({ target, numerator, denominator }: MirrorFilter): readonly WeightedUpstream[] {
  return [
    { weight: numerator, target, filters: [] },
    { weight: denominator - numerator, target: NOTHING, filters: [] },
  ]
}

const NOTHING = { kind: 'invalid', name: '', message: 'not mirrored' } as const

function hostPart(part: Part, digest: Digest): HttpHostPart | GrpcHostPart {
  if (part.kind === 'http-host' || part.kind === 'grpc-host') return part
  throw new GwProxyError('GWP_DEFECT_INVARIANT', `part ${digest} is a ${part.kind}, no host`)
}
