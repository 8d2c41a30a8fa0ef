/** The weighted backends of an action: who they are, their endpoints and what they are sent. */
import type {
  Explained,
  ExplainedBackend,
  ExplainedEndpoint,
  ExplainedReply,
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
  type UpstreamTls,
  type WeightedUpstream,
} from '../../model/upstream.ts'
import { filterText } from './filter-text.ts'

/** What HTTP adds to a backend. */
export interface Passage {
  readonly request?: { readonly authority: string; readonly target: string }
  readonly reply?: ExplainedReply
}

export interface Backends {
  readonly backends: readonly ExplainedBackend[]
  /** Why no share is served. */
  readonly fault?: Reason
  /** Every share is answered by a filter of its backend: this is the first one's. */
  readonly reply?: ExplainedReply
}

/** `passage`: what the filters of an HTTP backend make of the request. */
export function explainBackends(
  explained: Explained,
  all: readonly WeightedUpstream[],
  passage: (filters: readonly HttpFilter[]) => Passage = () => ({}),
): Backends {
  const judged = all.map((one) => judge(explained, one, passage))
  const backends = judged.map(({ backend }) => backend)
  const used = judged.filter(({ backend }) => backend.weight > 0)
  const [first] = used
  if (first === undefined) return { backends, fault: 'no-backend' }
  if (first.fault !== undefined && used.every(({ fault }) => fault !== undefined)) {
    return { backends, fault: first.fault }
  }
  const { reply } = first.backend
  const isReplied = reply !== undefined && used.every(({ backend }) => backend.reply !== undefined)
  return { backends, ...(isReplied && { reply }) }
}

/** The name that logs and metrics have. */
export function nameOf({ parts }: Explained, target: UpstreamTarget): string {
  if (target.kind === 'invalid') return target.name
  const part = parts.get(target.upstream)
  return part?.kind === 'upstream' ? part.name : target.upstream
}

interface Judged {
  readonly backend: ExplainedBackend
  readonly fault?: Reason
}

function judge(
  explained: Explained,
  { weight, target, filters }: WeightedUpstream,
  passage: (filters: readonly HttpFilter[]) => Passage,
): Judged {
  const base = {
    name: nameOf(explained, target),
    weight,
    filters: filters.map((filter) => filterText(filter, (other) => nameOf(explained, other))),
    endpoints: [],
  }
  if (target.kind === 'invalid') {
    return { backend: { ...base, problem: target.message }, fault: 'invalid-backend' }
  }
  const part = explained.parts.get(target.upstream)
  if (part?.kind !== 'upstream') return { backend: base, fault: 'no-endpoint' }
  const endpoints = part.endpoints.flatMap((one) => endpointsOf(part, one, explained.live))
  const passed = passage(filters)
  const tls = part.tls && tlsText(explained, part.tls)
  const backend = { ...base, endpoints, ...passed, ...(tls !== undefined && { tls }) }
  const isEmpty = endpoints.every(({ health }) => health === 'unresolved')
  if (!isEmpty || passed.reply !== undefined) return { backend }
  return { backend, fault: endpoints.length === 0 ? 'no-endpoint' : 'name-unresolved' }
}

/** A name stands for its addresses where a daemon knows them. */
function endpointsOf(
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

function tlsText({ parts }: Explained, tls: UpstreamTls): string {
  const { policy, hostname, subjectAltNames, authorities, clientCertificate } = tls
  const names = subjectAltNames.map(({ type, value }) => `${type} ${value}`)
  const certificate = clientCertificate && parts.get(clientCertificate)
  return [
    policy,
    `SNI ${hostname}`,
    `a certificate for ${names.join(' or ') || hostname}`,
    authorities.kind === 'system' ? 'authorities of the system' : 'own authorities',
    ...(certificate?.kind === 'certificate' ? [`shows ${certificate.source}`] : []),
  ].join(', ')
}
