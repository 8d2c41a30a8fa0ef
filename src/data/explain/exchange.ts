/**
 * The dry run of an exchange, step by step as data/http/exchange does it: normalise, match, filters
 * that answer, backends and what they are sent.
 */
import type { ExplainedFacts, ExplainedReply } from '../../model/explanation.ts'
import type { HttpRetry, HttpRule, HttpTimeouts } from '../../model/http.ts'
import type { HttpFilter } from '../../model/http-filter.ts'
import type { ListenerKey } from '../../model/identity.ts'
import type { WeightedUpstream } from '../../model/upstream.ts'
import { isGrpcContent } from '../../match/grpc/table.ts'
import { HostTable } from '../../match/hostname.ts'
import { Fields } from '../http/fields.ts'
import {
  type FilterAnswer,
  type FilterRequest,
  filterAnswer,
  filterRequest,
  filterRequestOf,
  filterResponse,
  redirectAnswer,
} from '../http/filters/filters.ts'
import { normalizeHttp1, type RequestHead } from '../http/normalize.ts'
import { answered, corsLines, refused, replied } from './answers.ts'
import { explainBackends, nameOf, type Passage } from './backends.ts'
import { filterText } from './filter-text.ts'
import { otherListeners } from './listeners.ts'
import { contestRules } from './rules.ts'
import { routeText, type Scene } from './scene.ts'

/** `own`: the listener of the SNI; undefined on cleartext. */
export async function explainExchange(
  scene: Scene,
  own: ListenerKey | undefined,
): Promise<ExplainedFacts> {
  const { method, target, fields: rawFields } = scene.question
  const scheme = own === undefined ? 'http' : 'https'
  const isGrpc = isGrpcContent(Fields.fromRaw(rawFields).get('content-type'))
  const read = normalizeHttp1({ version: '1.1', method, target, rawFields }, scheme)
  if (!read.ok) return refused(read.reason, isGrpc)
  const { host } = read.head.authority
  const name = host.kind === 'name' ? host.name : undefined
  const { listeners } = scene.table
  const entries = listeners.map((listener) => [listener.hostname, listener] as const)
  const winner = new HostTable(entries).lookup(name)
  if (own !== undefined && winner !== undefined && winner.listener !== own) {
    return { authorityListener: winner.listener, ...refused('misdirected', isGrpc) }
  }
  const facts = {
    ...(winner !== undefined && { listener: winner.listener }),
    // Behind TLS the SNI has chosen already.
    ...(own === undefined && { otherListeners: otherListeners(listeners, winner, name) }),
  }
  const part = winner?.routes && scene.explained.parts.get(winner.routes)
  if (part?.kind !== 'route-table') return { ...facts, ...refused('no-route', isGrpc) }
  const { path, query, fields } = read.head
  const request = { host: name, method, path, query, header: (key: string) => fields.get(key) }
  const contest = await contestRules(part, { request, isGrpc }, scene.slice)
  const found = { ...facts, otherRules: contest.others }
  if (contest.winner === undefined) return { ...found, ...refused('no-route', isGrpc) }
  const { rule, match } = contest.winner
  return { ...found, match, ...explainRule(scene, rule, { head: read.head, port: part.port }) }
}

interface Asked {
  readonly head: RequestHead
  /** Of the listener: for redirects. */
  readonly port: number
}

function explainRule(scene: Scene, rule: HttpRule, { head, port }: Asked): ExplainedFacts {
  const { route, name, id, filters, action } = rule
  const asked = filterRequestOf(head, port)
  const isGrpc = isGrpcContent(head.fields.get('content-type'))
  const cors = corsAnswer(filters, asked)
  const facts = {
    route: routeText(route),
    rule: name ?? id,
    filters: filters.map((one) => filterText(one, (other) => nameOf(scene.explained, other))),
    policies: [...timeoutWords(rule.timeouts), ...retryWords(rule.retry), ...cors],
  }
  const own = filterAnswer(filters, asked)
  if (own !== undefined) return { ...facts, ...answered(replyOf(own, [filters], asked)) }
  switch (action.kind) {
    case 'fail':
      return { ...facts, ...refused(action.reason, isGrpc) }
    case 'redirect': {
      const redirect = redirectAnswer(action.redirect, asked.redirect)
      return { ...facts, ...answered(replyOf(redirect, [filters], asked)) }
    }
    case 'forward':
      return { ...facts, ...explainForward(scene, rule, action.backends, { head, asked, isGrpc }) }
  }
}

interface Sent {
  readonly head: RequestHead
  readonly asked: FilterRequest
  readonly isGrpc: boolean
}

function explainForward(
  { explained }: Scene,
  rule: HttpRule,
  all: readonly WeightedUpstream[],
  { head, asked, isGrpc }: Sent,
): ExplainedFacts {
  const passage = (filters: readonly HttpFilter[]): Passage => {
    const own = filterAnswer(filters, asked)
    if (own !== undefined) return { reply: replyOf(own, [rule.filters, filters], asked) }
    return changeOf(head, [rule.filters, filters])
  }
  const { backends, fault, reply } = explainBackends(explained, all, passage)
  if (fault !== undefined) return { backends, ...refused(fault, isGrpc) }
  return { backends, ...answered(reply ?? { kind: 'forward' }) }
}

/** What a backend is sent, where the filters change authority or target. */
function changeOf(head: RequestHead, filters: readonly (readonly HttpFilter[])[]): Passage {
  const draft = { fields: Fields.fromRaw(head.fields.toRaw()), target: head.target }
  draft.fields.set('Host', head.authority.text)
  for (const list of filters) filterRequest(list, draft)
  const request = { authority: draft.fields.get('host') ?? '', target: draft.target }
  const isSame = request.authority === head.authority.text && request.target === head.target
  return isSame ? {} : { request }
}

/** The reply with what the filters of responses make of it. */
function replyOf(
  answer: FilterAnswer,
  filters: readonly (readonly HttpFilter[])[],
  asked: FilterRequest,
): ExplainedReply {
  for (const list of filters) filterResponse(list, answer.reply.fields, asked)
  return replied(answer)
}

/** What a browser of that origin is told; a preflight's own answer says it already. */
function corsAnswer(filters: readonly HttpFilter[], asked: FilterRequest): readonly string[] {
  const { origin, preflightMethod } = asked.cors
  const isShared = filters.some(({ kind }) => kind === 'cors')
  if (origin === undefined || preflightMethod !== undefined || !isShared) return []
  const fields = Fields.fromRaw([])
  filterResponse(filters, fields, asked)
  const lines = corsLines(fields.toRaw())
  return lines.length === 0 ? [`cors: ${origin} may not read the answer`] : lines
}

function timeoutWords({ requestMs, backendRequestMs }: HttpTimeouts): readonly string[] {
  return [
    ...(requestMs === undefined ? [] : [`request timeout ${requestMs} ms`]),
    ...(backendRequestMs === undefined ? [] : [`backend timeout ${backendRequestMs} ms`]),
  ]
}

function retryWords(retry: HttpRetry | undefined): readonly string[] {
  if (retry === undefined) return []
  const { attempts, codes, backoffMs } = retry
  const statuses = codes.length === 0 ? '' : ` of ${codes.join(', ')}`
  return [`${attempts} retries${statuses}, ${backoffMs} ms apart`]
}
