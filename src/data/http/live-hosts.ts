/**
 * What requests for a host get, compiled: its matches, and the live backends of each rule. Shared by
 * all views and names of a worker that have the same part, and counted by it.
 */
import type { Digest } from '../../base/brand.ts'
import { GwProxyError } from '../../base/errors.ts'
import { type HostPart, hostOf, isHost } from '../../ipc/packed-part.ts'
import { compileGrpcHost, hasExpressions as hasGrpcExpressions } from '../../match/grpc/table.ts'
import {
  compileHttpHost,
  hasExpressions as hasHttpExpressions,
  type MatchRequest,
} from '../../match/http/table.ts'
import type { ExternalAuthFilter, HttpFilter, MirrorFilter } from '../../model/http-filter.ts'
import type { HttpRule } from '../../model/http.ts'
import type { KeptPart, PackedHost } from '../../model/snapshot.ts'
import type { WeightedUpstream } from '../../model/upstream.ts'
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
  readonly #hosts = new Map<Digest, LiveHost>()

  constructor(registry: Registry, sessions: SessionOptions) {
    this.#registry = registry
    this.#sessions = sessions
  }

  /** Throws what a defect in a part throws; nothing is held then. */
  hold(digest: Digest, part: (digest: Digest) => KeptPart): LiveHost {
    const known = this.#hosts.get(digest)
    if (known !== undefined) return known.hold()
    const own = hostPart(part(digest), digest)
    const host = new LiveHost(digest, own, part, this.#registry, this.#sessions)
    this.#hosts.set(digest, host)
    return host
  }

  /** True: that was its last holder. */
  drop(host: LiveHost): boolean {
    if (!host.drop()) return false
    this.#hosts.delete(host.digest)
    return true
  }
}

/** What a host answers with. */
interface Answers {
  readonly matcher: { lookup(request: MatchRequest): { readonly rule: number } | undefined }
  readonly rules: readonly LiveRule[]
}

/**
 * Holds its backends from the beginning, and makes everything else of its part at the first request:
 * of 10,000 hosts hardly any is asked for between two edits.
 */
export class LiveHost {
  readonly digest: Digest
  readonly #part: HostPart | PackedHost
  readonly #sessions: SessionOptions
  /** In the order in which the rules ask for them. */
  readonly #held: readonly BackendSet[]
  #answers: Answers | undefined
  #holders = 1

  /** Throws what a defect in a part throws, after releasing what was acquired. */
  constructor(
    digest: Digest,
    own: HostPart | PackedHost,
    part: (digest: Digest) => KeptPart,
    registry: Registry,
    sessions: SessionOptions,
  ) {
    this.digest = digest
    this.#part = own
    this.#sessions = sessions
    const held: BackendSet[] = []
    const hold: Hold = (id, list, holds) => {
      const set = registry.acquire(id, list, part, holds)
      held.push(set)
      return set
    }
    try {
      const source = hostOf(own)
      const rules = source.rules.map((rule) => liveRule(rule, hold, sessions))
      // An expression that cannot be used is refused with its configuration, not at a request.
      if (hasExpressions(source)) this.#answers = { matcher: matcherOf(source), rules }
    } catch (error) {
      for (const set of held) set.release()
      throw error
    }
    // As long as it must be: a list that grew has room for sixteen more.
    this.#held = held.slice()
  }

  hold(): this {
    this.#holders += 1
    return this
  }

  /** True: that was the last holder, and what it held is let go. */
  drop(): boolean {
    if (this.#holders === 0) {
      throw new GwProxyError(
        'GWP_DEFECT_INVARIANT',
        `released more often than held: ${this.digest}`,
      )
    }
    this.#holders -= 1
    if (this.#holders > 0) return false
    for (const backends of this.#held) backends.release()
    return true
  }

  /** The rule that wins, whatever the host of the request. */
  find(request: MatchRequest): LiveRule | undefined {
    this.#answers ??= this.#prepare()
    const { matcher, rules } = this.#answers
    const match = matcher.lookup(request)
    return match && rules[match.rule]
  }

  #prepare(): Answers {
    const source = hostOf(this.#part)
    const held = this.#held.values()
    const next: Hold = (id) => held.next().value ?? neverHeld(id)
    const rules = source.rules.map((rule) => liveRule(rule, next, this.#sessions))
    return { matcher: matcherOf(source), rules }
  }
}

function matcherOf(source: HostPart): Answers['matcher'] {
  return source.kind === 'grpc-host'
    ? compileGrpcHost(source.matches)
    : compileHttpHost(source.matches)
}

function hasExpressions(source: HostPart): boolean {
  return source.kind === 'grpc-host'
    ? source.matches.some(hasGrpcExpressions)
    : source.matches.some(hasHttpExpressions)
}

function neverHeld(id: string): never {
  throw new GwProxyError('GWP_DEFECT_INVARIANT', `nothing is held for ${id}`)
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

function hostPart(part: KeptPart, digest: Digest): HostPart | PackedHost {
  if (isHost(part)) return part
  throw new GwProxyError('GWP_DEFECT_INVARIANT', `part ${digest} is a ${part.kind}, no host`)
}
