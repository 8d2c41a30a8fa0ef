/**
 * The dry run of an exchange, step by step as data/http/exchange does it: normalise, match, filters
 * that answer, backends and what they are sent.
 */
import type { Explained, ExplainedAnswer } from '../../model/explanation.ts'
import type { HttpRule } from '../../model/http.ts'
import type { HttpFilter } from '../../model/http-filter.ts'
import type { ListenerKey } from '../../model/identity.ts'
import type { Reason } from '../../model/outcome.ts'
import { isGrpcContent } from '../../match/grpc/table.ts'
import { HostTable } from '../../match/hostname.ts'
import { Fields } from '../http/fields.ts'
import {
  type FilterRequest,
  filterAnswer,
  filterRequest,
  filterRequestOf,
  filterResponse,
  redirectAnswer,
} from '../http/filters/filters.ts'
import { normalizeHttp1, type RequestHead } from '../http/normalize.ts'
import { answered, corsLines, refused, refusedBy, replied, type Shape } from './answers.ts'
import { explainBackends, isReachable, nameOf, type Passage, type Passed } from './backends.ts'
import { filterText } from './filter-text.ts'
import { otherListeners } from './listeners.ts'
import { policyWords } from './policy-text.ts'
import { contestRules } from './rules.ts'
import { type Facts, routeText, type Scene } from './scene.ts'

/** `own`: the listener of the SNI; undefined on cleartext. */
export async function explainExchange(scene: Scene, own: ListenerKey | undefined): Promise<Facts> {
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
  const contest = await contestRules(part, scene.explained.parts, { request, isGrpc }, scene.slice)
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

function explainRule(scene: Scene, rule: HttpRule, { head, port }: Asked): Facts {
  const { route, name, id, filters, action } = rule
  const asked = filterRequestOf(head, port)
  const isGrpc = isGrpcContent(head.fields.get('content-type'))
  const facts = {
    route: routeText(route),
    rule: name ?? id,
    filters: filters.map((one) => filterText(one, (other) => nameOf(scene.explained, other))),
    policies: [...policyWords(rule), ...corsWords(filters, asked)],
  }
  const shape: Shape = (fields) => filterResponse(filters, fields, asked)
  const own = filterAnswer(filters, asked)
  if (own !== undefined) return { ...facts, ...answered(replied(own, shape)) }
  if (!isGuardAsked(scene.explained, filters)) {
    return { ...facts, ...answered(refusedBy('auth-failed', isGrpc, shape)) }
  }
  switch (action.kind) {
    case 'fail':
      return { ...facts, ...answered(refusedBy(action.reason, isGrpc, shape)) }
    case 'redirect': {
      const redirect = redirectAnswer(action.redirect, asked.redirect)
      return { ...facts, ...answered(replied(redirect, shape)) }
    }
    case 'forward': {
      const passage = new HttpPassage(scene.explained, head, filters, asked)
      const { backends, answer } = explainBackends(scene.explained, action.backends, passage)
      return { ...facts, backends, ...answered(answer) }
    }
  }
}

/** The rule's filters, then the backend's. */
class HttpPassage implements Passage {
  readonly #explained: Explained
  readonly #head: RequestHead
  readonly #filters: readonly HttpFilter[]
  readonly #asked: FilterRequest

  constructor(
    explained: Explained,
    head: RequestHead,
    filters: readonly HttpFilter[],
    asked: FilterRequest,
  ) {
    this.#explained = explained
    this.#head = head
    this.#filters = filters
    this.#asked = asked
  }

  pass(filters: readonly HttpFilter[]): Passed {
    const own = filterAnswer(filters, this.#asked)
    if (own?.reason !== 'preflight' && !isGuardAsked(this.#explained, filters)) {
      return { answer: this.refuse('auth-failed', filters) }
    }
    if (own !== undefined) return { answer: replied(own, this.#shape(filters)) }
    const { authority, target, fields } = this.#head
    const draft = { fields: Fields.fromRaw(fields.toRaw()), target }
    draft.fields.set('Host', authority.text)
    filterRequest(this.#filters, draft)
    filterRequest(filters, draft)
    const request = { authority: draft.fields.get('host') ?? '', target: draft.target }
    const isSame = request.authority === authority.text && request.target === target
    return { answer: { kind: 'forward' }, ...(!isSame && { request }) }
  }

  refuse(reason: Reason, filters: readonly HttpFilter[]): ExplainedAnswer {
    const isGrpc = isGrpcContent(this.#head.fields.get('content-type'))
    return refusedBy(reason, isGrpc, this.#shape(filters))
  }

  #shape(filters: readonly HttpFilter[]): Shape {
    return (fields) => {
      filterResponse(this.#filters, fields, this.#asked)
      filterResponse(filters, fields, this.#asked)
    }
  }
}

/** Whatever keeps a guard from answering denies the request. */
function isGuardAsked(explained: Explained, filters: readonly HttpFilter[]): boolean {
  return filters.every((one) => one.kind !== 'external-auth' || isReachable(explained, one.target))
}

/** What a browser of that origin is told; a preflight's own answer says it already. */
function corsWords(filters: readonly HttpFilter[], asked: FilterRequest): readonly string[] {
  const { origin, preflightMethod } = asked.cors
  const isShared = filters.some(({ kind }) => kind === 'cors')
  if (origin === undefined || !isShared) return []
  const fields = Fields.fromRaw([])
  filterResponse(filters, fields, asked)
  const lines = corsLines(fields.toRaw())
  if (lines.length === 0) return [`cors: ${origin} may not read the answer`]
  return preflightMethod === undefined ? lines : []
}
