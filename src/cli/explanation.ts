/**
 * What a request would meet: bind, listener, certificate, rule and backends, decided by the data
 * plane's own normaliser and tables over the parts of a translation, and why the others lose.
 */
import type { Digest } from '../base/brand.ts'
import { CertificateTable } from '../data/tls/certificate-table.ts'
import { normalizeHttp1, type RequestHead } from '../data/http/normalize.ts'
import { compileGrpcTable, isGrpcContent } from '../match/grpc/table.ts'
import { HostTable, hostnameMatches, parseHost } from '../match/hostname.ts'
import { compileRouteTable } from '../match/http/table.ts'
import { failedCriterion } from '../match/http/verdict.ts'
import { SniTable } from '../match/sni.ts'
import type { HttpRule, RouteTablePart } from '../model/http.ts'
import type { RouteRef } from '../model/identity.ts'
import { OUTCOMES, type Reason } from '../model/outcome.ts'
import type { BindPart, Chain, ChainTable, Part, TlsTerminateAction } from '../model/snapshot.ts'
import { endpointText, type WeightedUpstream } from '../model/upstream.ts'

export type Parts = ReadonlyMap<Digest, Part>

export interface Question {
  readonly scheme: 'https' | 'http' | 'tls' | 'tcp'
  /** SNI behind TLS; brackets of IPv6 taken off. */
  readonly host: string
  readonly method: string
  readonly target: string
  /** Names and values in turn, one Host among them. */
  readonly fields: readonly string[]
}

export interface Loser {
  readonly name: string
  readonly why: string
}

export interface Explanation {
  readonly bind: string
  readonly listener?: string
  readonly certificate?: string
  readonly route?: string
  readonly rule?: string
  readonly filters?: readonly string[]
  readonly backends?: readonly string[]
  /** What the client gets. */
  readonly answer: string
  readonly serves: boolean
  readonly otherListeners: readonly Loser[]
  readonly otherRules: readonly Loser[]
}

type Found = Partial<Explanation> & Pick<Explanation, 'answer' | 'serves'>

/** `table` is the one of `bind` that serves the local address. */
export function explainRequest(
  parts: Parts,
  bind: BindPart,
  table: ChainTable,
  question: Question,
): Explanation {
  const base = { bind: bind.key, otherListeners: [], otherRules: [] }
  return { ...base, ...onBind({ parts, table, question }, bind.ingress) }
}

interface Scene {
  readonly parts: Parts
  readonly table: ChainTable
  readonly question: Question
}

function onBind(scene: Scene, ingress: BindPart['ingress']): Found {
  const { scheme, host } = scene.question
  const isTls = scheme === 'https' || scheme === 'tls'
  if (ingress === 'tls' && !isTls) return failed('not-tls')
  if (ingress === 'http' && scheme !== 'http') return failed('bad-request')
  const entries = scene.table.chains.map((chain) => [chain.hostname, chain] as const)
  const table = new SniTable<Chain>([{ localAddresses: ['*'], entries }])
  const choice = table.choose('*', ingress === 'tls' ? host : undefined)
  if (choice.kind === 'invalid') return failed('malformed-hello')
  const otherListeners = losersOf(
    scene.table.chains,
    choice.name,
    choice.kind === 'found' ? choice : {},
  )
  if (choice.kind === 'none') return { ...failed('no-chain'), otherListeners }
  return {
    listener: choice.value.listener,
    otherListeners,
    ...onChain(scene, choice.value, choice.name),
  }
}

function losersOf(
  entries: readonly { readonly hostname: string; readonly listener: string }[],
  name: string | undefined,
  choice: { readonly value?: { readonly hostname: string; readonly listener: string } },
): readonly Loser[] {
  return entries
    .filter((entry) => entry !== choice.value)
    .map(({ hostname, listener }) => {
      const fits = name === undefined ? hostname === '' : hostnameMatches(hostname, name)
      const why = fits ? 'less specific' : 'does not match the name'
      return { name: `${listener} (${hostname || 'any name'})`, why }
    })
}

function onChain(scene: Scene, chain: Chain, name: string | undefined): Found {
  const { action } = chain
  switch (action.kind) {
    case 'reset':
      return { ...failed(action.reason), ...(action.route && { route: routeText(action.route) }) }
    case 'http':
      return onAuthority(scene, undefined)
    case 'tls-terminate':
      return { ...certificateOf(scene.parts, action, name), ...afterTls(scene, chain, action.then) }
    default:
      return forwarded(scene.parts, action)
  }
}

function afterTls(scene: Scene, chain: Chain, then: TlsTerminateAction['then']): Found {
  if (then.kind !== 'http') {
    if (then.kind === 'reset') return failed(then.reason)
    return forwarded(scene.parts, then)
  }
  if (scene.question.scheme === 'tls') return { answer: 'HTTP is spoken here', serves: true }
  return onAuthority(scene, chain.listener)
}

function certificateOf(parts: Parts, action: TlsTerminateAction, name: string | undefined) {
  const named = action.certificates.flatMap((digest) => {
    const part = parts.get(digest)
    return part?.kind === 'certificate' ? [{ digest, part }] : []
  })
  const set = new CertificateTable(named).choose(name)
  return set && { certificate: set.parts.map(({ source }) => source).join(', ') }
}

function forwarded(
  parts: Parts,
  { route, backends }: { readonly route: RouteRef; readonly backends: readonly WeightedUpstream[] },
): Found {
  return { route: routeText(route), ...backendsOf(parts, backends) }
}

/** `own`: the listener of the SNI; undefined on cleartext. */
function onAuthority({ parts, table, question }: Scene, own: string | undefined): Found {
  const { method, target, fields } = question
  const scheme = own === undefined ? 'http' : 'https'
  const read = normalizeHttp1({ version: '1.1', method, target, rawFields: fields }, scheme)
  if (!read.ok) return failed(read.reason)
  const { host } = read.head.authority
  const name = host.kind === 'name' ? host.name : undefined
  const entries = table.listeners.map((entry) => [entry.hostname, entry] as const)
  const chosen = new HostTable(entries).lookup(name)
  if (chosen !== undefined && own !== undefined && chosen.listener !== own) {
    return {
      ...failed('misdirected'),
      otherRules: [{ name: chosen.listener, why: 'has this authority, not the SNI' }],
    }
  }
  const choice = chosen === undefined ? {} : { value: chosen }
  const listeners = {
    ...(own === undefined && { otherListeners: losersOf(table.listeners, name, choice) }),
  }
  const part = chosen?.routes && parts.get(chosen.routes)
  const listener = chosen && { listener: chosen.listener }
  if (part?.kind !== 'route-table') return { ...failed('no-route'), ...listeners, ...listener }
  return { ...listeners, ...listener, ...onRoutes(parts, part, read.head, name) }
}

function onRoutes(
  parts: Parts,
  part: RouteTablePart,
  head: RequestHead,
  host: string | undefined,
): Found {
  const { method, path, query, fields } = head
  const request = { host, method, path, query, header: (key: string) => fields.get(key) }
  const isGrpc = isGrpcContent(fields.get('content-type'))
  const call = isGrpc && part.grpc ? compileGrpcTable(part.grpc).lookup(request) : undefined
  const match = call ?? compileRouteTable(part).lookup(request)
  const otherRules = part.hosts.flatMap(({ hostname, matches }) =>
    matches
      .filter((other) => other !== match)
      .map((other) => {
        const failure = failedCriterion(hostname, other, request)
        const why = failure === undefined ? 'matches too, but ranks lower' : `${failure} differs`
        const place = `${hostname || 'any host'} ${other.path.kind} ${other.path.value || '/'}`
        return { name: `${part.rules[other.rule]?.id} (${place})`, why }
      }),
  )
  const rule = match && part.rules[match.rule]
  if (rule === undefined) return { ...failed('no-route'), otherRules }
  return { otherRules, ...onRule(parts, rule) }
}

function onRule(parts: Parts, { route, id, name, filters, action }: HttpRule): Found {
  const facts = {
    route: routeText(route),
    rule: name ?? id,
    filters: filters.map(({ kind }) => kind),
  }
  switch (action.kind) {
    case 'fail':
      return { ...facts, ...failed(action.reason) }
    case 'redirect':
      return { ...facts, answer: 'redirect', serves: true }
    case 'forward':
      return { ...facts, ...backendsOf(parts, action.backends) }
  }
}

function backendsOf(parts: Parts, all: readonly WeightedUpstream[]): Found {
  const used = all.filter(({ weight }) => weight > 0)
  const backends = used.map(({ weight, target }) => {
    if (target.kind === 'invalid') return `${target.name} weight ${weight}: ${target.message}`
    const part = parts.get(target.upstream)
    if (part?.kind !== 'upstream') return target.upstream
    const endpoints = part.endpoints.map(endpointText).join(', ') || 'no endpoints'
    return `${part.name} weight ${weight}: ${endpoints}`
  })
  if (used.length === 0) return { ...failed('no-backend'), backends }
  if (used.every(({ target }) => target.kind === 'invalid')) {
    return { ...failed('invalid-backend'), backends }
  }
  const isEmpty = ({ target }: WeightedUpstream): boolean => {
    const part = target.kind === 'upstream' ? parts.get(target.upstream) : undefined
    return part?.kind === 'upstream' && part.endpoints.length === 0
  }
  if (used.every(isEmpty)) return { ...failed('no-endpoint'), backends }
  return { backends, answer: 'forward', serves: true }
}

function failed(reason: Reason): Found {
  const { httpStatus } = OUTCOMES[reason]
  return {
    answer: httpStatus === 0 ? `closed: ${reason}` : `${httpStatus} ${reason}`,
    serves: false,
  }
}

function routeText({ kind, namespace, name }: RouteRef): string {
  return `${kind}/${namespace}/${name}`
}

/** Whether a client that connects to it names an address, which is no SNI. */
export function isAddress(host: string): boolean {
  return parseHost(host).kind === 'address'
}
