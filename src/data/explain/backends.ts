/** The weighted backends of an action: who they are, their endpoints and what they are sent. */
import type {
  Explained,
  ExplainedAnswer,
  ExplainedBackend,
  ExplainedEndpoint,
  LiveState,
} from '../../model/explanation.ts'
import type { HttpFilter } from '../../model/http-filter.ts'
import type { Reason } from '../../model/outcome.ts'
import type { UpstreamTarget } from '../../model/upstream-target.ts'
import {
  type Endpoint,
  endpointText,
  type NamedEndpoint,
  type UpstreamPart,
  type WeightedUpstream,
} from '../../model/upstream.ts'
import { closedBy } from './answers.ts'
import { filterText } from './filter-text.ts'
import { tlsText } from './tls-text.ts'

/** What the protocol makes of a backend. */
export interface Passage {
  /** By the backend's own filters. */
  pass(filters: readonly HttpFilter[]): Passed
  refuse(reason: Reason, filters: readonly HttpFilter[]): ExplainedAnswer
}

export interface Passed {
  readonly answer: ExplainedAnswer
  /** As ExplainedBackend.request. */
  readonly request?: { readonly authority: string; readonly target: string }
}

/** Connections and datagrams go on as they are, or not at all. */
export const L4_PASSAGE: Passage = {
  pass: () => ({ answer: FORWARD }),
  refuse: (reason) => closedBy(reason),
}

const FORWARD: ExplainedAnswer = { kind: 'forward' }

export interface Backends {
  readonly backends: readonly ExplainedBackend[]
  /** Forward, as soon as one share is. */
  readonly answer: ExplainedAnswer
}

export function explainBackends(
  explained: Explained,
  all: readonly WeightedUpstream[],
  passage: Passage,
): Backends {
  const judged = all.map((one) => judge(explained, one, passage))
  const used = judged.filter(({ backend }) => backend.weight > 0)
  const [first = { answer: passage.refuse('no-backend', []) }] = used
  const isForwarded = used.some(({ answer }) => answer.kind === 'forward')
  return {
    backends: judged.map(({ backend, answer }) =>
      answer.kind === 'forward' ? backend : { ...backend, answer },
    ),
    answer: isForwarded ? FORWARD : first.answer,
  }
}

/** The name that logs and metrics have. */
export function nameOf({ parts }: Explained, target: UpstreamTarget): string {
  if (target.kind === 'invalid') return target.name
  const part = parts.get(target.upstream)
  return part?.kind === 'upstream' ? part.name : target.upstream
}

/** Whether a service that guards requests can be asked at all. */
export function isReachable(explained: Explained, target: UpstreamTarget): boolean {
  const part = target.kind === 'upstream' ? explained.parts.get(target.upstream) : undefined
  return part?.kind === 'upstream' && !isEmpty(endpointsOf(explained, part))
}

interface Judged {
  readonly backend: ExplainedBackend
  readonly answer: ExplainedAnswer
}

function judge(
  explained: Explained,
  { weight, target, filters }: WeightedUpstream,
  passage: Passage,
): Judged {
  const base = {
    name: nameOf(explained, target),
    weight,
    filters: filters.map((filter) => filterText(filter, (other) => nameOf(explained, other))),
    endpoints: [],
  }
  if (target.kind === 'invalid') {
    const answer = passage.refuse('invalid-backend', [])
    return { backend: { ...base, problem: target.message }, answer }
  }
  const part = explained.parts.get(target.upstream)
  if (part?.kind !== 'upstream') return { backend: base, answer: FORWARD }
  const endpoints = endpointsOf(explained, part)
  const { answer, ...passed } = passage.pass(filters)
  const tls = part.tls && tlsText(explained, part.tls)
  const { proxyProtocol } = part
  const backend = {
    ...base,
    endpoints,
    ...passed,
    ...(proxyProtocol !== undefined && { proxyProtocol }),
    ...(tls !== undefined && { tls }),
  }
  if (answer.kind !== 'forward' || !isEmpty(endpoints)) return { backend, answer }
  const reason = endpoints.length === 0 ? 'no-endpoint' : 'name-unresolved'
  return { backend, answer: passage.refuse(reason, filters) }
}

function endpointsOf({ live }: Explained, part: UpstreamPart): readonly ExplainedEndpoint[] {
  return part.endpoints.flatMap((one) => placesOf(part, one, live))
}

function isEmpty(endpoints: readonly ExplainedEndpoint[]): boolean {
  return endpoints.every(({ health }) => health === 'unresolved')
}

/** A name stands for its addresses where a daemon knows them. */
function placesOf(
  { name: upstream }: UpstreamPart,
  endpoint: Endpoint | NamedEndpoint,
  live: LiveState | undefined,
): readonly ExplainedEndpoint[] {
  const text = endpointText(endpoint)
  if (live === undefined) return [{ endpoint: text }]
  if (endpoint.kind !== 'name') return [{ endpoint: text, ...healthOf(live, upstream, text) }]
  const { name, port } = endpoint
  const addresses = live.addresses(name)
  if (addresses === undefined) return [{ endpoint: text, name }]
  if (addresses.length === 0) return [{ endpoint: text, name, health: 'unresolved' }]
  return addresses.map((address) => {
    const resolved = endpointText({ kind: 'ip', address, port })
    return { endpoint: resolved, name, ...healthOf(live, upstream, resolved) }
  })
}

function healthOf(
  live: LiveState,
  upstream: string,
  endpoint: string,
): Pick<ExplainedEndpoint, 'health' | 'ejectedForMs'> {
  const ejectedForMs = live.ejectedForMs(upstream, endpoint)
  return ejectedForMs === 0 ? { health: 'healthy' } : { health: 'ejected', ejectedForMs }
}
