/**
 * A translation as text for people: statuses with `Type: Status/Reason`, the snapshot with its
 * digests resolved, diagnostics without lines. Keys never appear; certificates by name only.
 */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { stringify } from 'yaml'
import type { Digest } from '../../src/base/brand.ts'
import type { Diagnostic } from '../../src/model/diagnostic.ts'
import type { HttpFilter } from '../../src/model/http-filter.ts'
import type {
  GrpcMatch,
  HttpMatch,
  HttpRule,
  HttpSession,
  HttpRuleAction,
  NameMatch,
} from '../../src/model/http.ts'
import { displayKey } from '../../src/model/resource-key.ts'
import type { BindPart, Chain, ChainAction, ChainTable } from '../../src/model/snapshot.ts'
import type { Condition, ObjectStatus, ParentReference } from '../../src/model/status.ts'
import type { ClientAuth } from '../../src/model/tls.ts'
import { pemBlocks } from '../../src/wire/pem.ts'
import { endpointText, type UpstreamTls, type WeightedUpstream } from '../../src/model/upstream.ts'
import { ownAddressesOf } from '../../src/control/own-addresses.ts'
import { applyBindResults } from '../../src/translate/status/programmed.ts'
import type { Translation } from '../../src/translate/translate.ts'
import { ruleOf, wholeHosts } from '../support/route-tables.ts'

/** By bind key; null: no worker has answered yet. */
export type BindErrors = Readonly<Record<string, string | null>>

/** As it looks once the workers acked: every socket bound, except those of `errors`. */
export function renderTranslation(translation: Translation, errors: BindErrors = {}): string {
  const binds = bindsOf(translation)
  const keys = binds.flatMap((bind) => [bind.key, ...ownAddressesOf(bind).keys()])
  const unknown = Object.keys(errors).filter((key) => !keys.some((bind) => bind === key))
  assert.deepEqual(unknown, [], `the binds are ${keys.join()}`)
  const results = keys.flatMap((bind) => {
    const errno = errors[bind]
    if (errno === null) return []
    return errno === undefined ? { bind } : { bind, error: { errno, message: 'as the case says' } }
  })
  const statuses = applyBindResults(translation.statuses, translation.pending, results)
  const view = {
    statuses: renderStatuses(statuses),
    binds: Object.fromEntries(binds.map((bind) => [bind.key, renderBind(translation, bind)])),
    diagnostics: translation.diagnostics.map(renderDiagnostic).sort(),
  }
  return stringify(view, { sortMapEntries: true, lineWidth: 0 })
}

/** By `Kind namespace/name`. */
export function renderStatuses(statuses: readonly ObjectStatus[]): Record<string, unknown> {
  return Object.fromEntries(statuses.map((status) => [displayKey(status.key), renderBody(status)]))
}

function renderBody({ body, generation }: ObjectStatus): unknown {
  const conditions = (list: readonly Condition[]) => renderConditions(list, generation)
  switch (body.kind) {
    case 'gateway-class':
      return { conditions: conditions(body.conditions) }
    case 'gateway':
      return {
        addresses: body.addresses.map(({ type, value }) => `${type} ${value}`),
        conditions: conditions(body.conditions),
        listeners: body.listeners.map((listener) => renderListener(listener, conditions)),
        ...(body.attachedListenerSets === undefined
          ? {}
          : { attachedListenerSets: body.attachedListenerSets }),
      }
    case 'listener-set':
      return {
        conditions: conditions(body.conditions),
        listeners: body.listeners.map((listener) => renderListener(listener, conditions)),
      }
    case 'route':
      return body.parents.map((parent) => ({
        parent: renderReference(parent.parentRef),
        conditions: conditions(parent.conditions),
      }))
    case 'policy':
      return body.ancestors.map((ancestor) => ({
        ancestor: renderReference(ancestor.ancestorRef),
        conditions: conditions(ancestor.conditions),
      }))
  }
}

function renderListener(
  listener: Extract<ObjectStatus['body'], { kind: 'gateway' }>['listeners'][number],
  conditions: (list: readonly Condition[]) => unknown,
): unknown {
  return {
    name: listener.name,
    supportedKinds: listener.supportedKinds.map(({ kind }) => kind).join(' '),
    attachedRoutes: listener.attachedRoutes,
    conditions: conditions(listener.conditions),
  }
}

function renderConditions(list: readonly Condition[], generation: number): Record<string, string> {
  for (const { type, observedGeneration, message } of list) {
    assert.equal(observedGeneration, generation, `${type} carries the object's generation`)
    assert.match(
      message,
      /^(?:[A-Z"]|[a-z0-9-]+[A-Z.[]).*[.!?]$/s,
      `${type} has a sentence as message`,
    )
  }
  assert.equal(new Set(list.map(({ type }) => type)).size, list.length, 'one condition of a type')
  return Object.fromEntries(list.map(({ type, status, reason }) => [type, `${status}/${reason}`]))
}

function renderReference({ kind, namespace, name, sectionName, port }: ParentReference): string {
  const object = `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`
  return `${object}${sectionName === undefined ? '' : ` section ${sectionName}`}${port === undefined ? '' : ` port ${port}`}`
}

function bindsOf({ manifest, parts }: Translation): readonly BindPart[] {
  return manifest.binds.map((digest) => {
    const part = parts.get(digest)
    assert.equal(part?.kind, 'bind')
    return part
  })
}

function renderBind(translation: Translation, { ingress, tables }: BindPart): unknown {
  return { ingress, tables: tables.map((table) => renderTable(translation, table)) }
}

function renderTable(translation: Translation, table: ChainTable): unknown {
  return {
    local: table.localAddresses.join(' '),
    chains: table.chains.map((chain) => renderChain(translation, chain)),
    listeners: table.listeners.map(({ hostname, listener, routes }) => ({
      listener: `${listener} "${hostname}"`,
      ...(routes === undefined ? {} : { routes: renderRoutes(translation, routes) }),
    })),
  }
}

function renderChain(translation: Translation, { hostname, listener, action }: Chain): string {
  const name = listener.slice(listener.lastIndexOf('/') + 1)
  return `"${hostname}" ${name}: ${renderAction(translation, action)}`
}

function renderAction(translation: Translation, action: ChainAction): string {
  switch (action.kind) {
    case 'http':
      return 'http'
    case 'reset':
      return `reset ${action.reason}`
    case 'tls-terminate': {
      const certificates = action.certificates.map((digest) => certificateName(translation, digest))
      const alpn = action.alpn.length === 0 ? '' : ` ${action.alpn.join(',')}`
      const clients = renderClientAuth(action.domain.clientAuth)
      return `terminate [${certificates.join(', ')}]${alpn}${clients}, ${renderAction(translation, action.then)}`
    }
    default:
      return `${action.kind} ${action.id} -> ${renderBackends(translation, action.backends)}`
  }
}

function renderClientAuth(clientAuth: ClientAuth): string {
  return clientAuth.mode === 'none'
    ? ''
    : `, clients ${clientAuth.mode} [${authorityNames(clientAuth.caPem)}]`
}

function authorityNames(caPem: string): string {
  const blocks = pemBlocks(caPem).map(({ text }) => new X509Certificate(text).subject)
  return blocks.join(', ')
}

function renderTls(translation: Translation, tls: UpstreamTls | undefined): string {
  if (tls === undefined) return ''
  const { hostname, subjectAltNames, authorities, clientCertificate } = tls
  const names = subjectAltNames
    .map(({ type, value }) => ` or ${type}:${value}`)
    .join('')
    .slice(3)
  const trusted =
    authorities.kind === 'bundle' ? authorityNames(authorities.caPem) : authorities.kind
  const versions =
    (tls.minVersion ?? tls.maxVersion) ? ` ${tls.minVersion ?? ''}-${tls.maxVersion ?? ''}` : ''
  const own =
    clientCertificate === undefined ? '' : ` as ${certificateName(translation, clientCertificate)}`
  const nobody = tls.anonymous === true ? ' as nobody' : ''
  return ` tls ${hostname}${names} trusting ${trusted}${versions}${own}${nobody}`
}

function certificateName({ parts, keys }: Translation, digest: Digest): string {
  const part = parts.get(digest)
  assert.equal(part?.kind, 'certificate')
  assert.ok(keys.some(({ keyId }) => keyId === part.keyId))
  return `${part.source} ${part.keyType} ${part.dnsNames.join(' ')}`
}

function renderBackends(translation: Translation, backends: readonly WeightedUpstream[]): string {
  const { parts } = translation
  return backends
    .map(({ weight, target, filters }) => {
      if (target.kind === 'invalid') return `${weight} x invalid ${target.name}`
      const own = filters.map((filter) => renderFilter(translation, filter)).join('')
      const part = parts.get(target.upstream)
      assert.equal(part?.kind, 'upstream')
      return `${weight} x ${own}${part.name} ${part.protocol}${renderTls(translation, part.tls)} [${part.endpoints.map(endpointText).join(' ')}]`
    })
    .join(' + ')
}

function renderRoutes(translation: Translation, digest: Digest): readonly string[] {
  const table = translation.parts.get(digest)
  assert.equal(table?.kind, 'route-table')
  const { hosts, grpc = [] } = table
  return wholeHosts([...hosts, ...grpc], translation.parts).flatMap((host) =>
    host.matches.map((match) => {
      const asked = 'path' in match ? renderMatch(match) : renderGrpcMatch(match)
      return `"${host.hostname}" ${asked} => ${renderRule(translation, ruleOf(host, match))}`
    }),
  )
}

function renderGrpcMatch({ service, method, headers }: GrpcMatch): string {
  const name = (wanted: NameMatch | undefined): string =>
    wanted === undefined ? '*' : `${wanted.kind === 'regex' ? '~' : ''}${wanted.value}`
  const values = headers.map(({ name, value }) => ` ${name}=${value}`)
  return `grpc ${name(service)}/${name(method)}${values.join('')}`
}

function renderMatch({ path, method, headers, query }: HttpMatch): string {
  const values = [...headers, ...query].map(({ name, value }) => ` ${name}=${value}`)
  return `${method === undefined ? '' : `${method} `}${path.kind} "${path.value}"${values.join('')}`
}

function renderRule(translation: Translation, rule: HttpRule): string {
  const { id, action, filters, retry, session } = rule
  const special = filters.map((filter) => renderFilter(translation, filter)).join('')
  const again =
    retry && `retry ${retry.attempts} x [${retry.codes.join()}] after ${retry.backoffMs} ms -> `
  const kept = session === undefined || action.kind !== 'forward' ? '' : renderSession(session)
  return `${id} ${again ?? ''}${special}${kept}${renderRuleAction(translation, action)}`
}

function renderSession({ scope, carrier, absoluteMs }: HttpSession): string {
  const lasting = carrier.kind === 'cookie' && carrier.permanent ? 'permanent ' : ''
  const limit = absoluteMs === undefined ? '' : `, ${absoluteMs} ms`
  return `session by ${lasting}${carrier.kind} ${carrier.name} of ${scope}${limit} -> `
}

/** Those that decide about more than a field or a path. */
function renderFilter(translation: Translation, filter: HttpFilter): string {
  if (filter.kind === 'request-mirror') {
    const { id, numerator, denominator, target } = filter
    const copies = renderBackends(translation, [{ weight: 1, target, filters: [] }])
    return `mirror ${numerator}/${denominator} ${id} to ${copies} -> `
  }
  if (filter.kind === 'external-auth') {
    const { id, target, service, maxBodyBytes } = filter
    const asked = renderBackends(translation, [{ weight: 1, target, filters: [] }])
    return `ask ${id} ${JSON.stringify(service)} with ${maxBodyBytes} bytes at ${asked} -> `
  }
  if (filter.kind !== 'cors') return ''
  const { allowOrigins, allowCredentials, allowMethods, allowHeaders } = filter
  const origins =
    allowOrigins === 'any'
      ? ['*']
      : allowOrigins.map(({ scheme, hostname, port }) => `${scheme}://${hostname || '*'}:${port}`)
  const lists = [origins, allowMethods, allowHeaders].map((list) => list.join(','))
  return `cors ${lists.join('; ')}${allowCredentials ? ' with credentials' : ''} -> `
}

function renderRuleAction(translation: Translation, action: HttpRuleAction): string {
  switch (action.kind) {
    case 'forward':
      return renderBackends(translation, action.backends)
    case 'redirect':
      return `redirect ${action.redirect.statusCode}`
    case 'fail':
      return `fail ${action.reason}`
  }
}

function renderDiagnostic({ severity, code, object, path, message, help }: Diagnostic): string {
  assert.ok(message.length > 10)
  return `${severity} ${code} ${object}${path === undefined ? '' : ` ${path}`}${help?.includes('kind: ReferenceGrant') ? ' (grant to paste)' : ''}`
}
