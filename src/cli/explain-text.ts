/** An Explanation for people: what wins line by line, then who does not. */
import { STATUS_CODES } from 'node:http'
import { assertNever } from '../base/assert-never.ts'
import type {
  ExplainedAnswer,
  ExplainedBackend,
  ExplainedEndpoint,
  Explanation,
  Losers,
} from '../model/explanation.ts'
import { table } from './terminal.ts'

type Row = readonly [label: string, text: string]

export function explanationText(explanation: Explanation): string {
  const { otherListeners, otherRules } = explanation
  const losers = [...loserRows(otherListeners, 'listeners'), ...loserRows(otherRules, 'rules')]
  return [table(rowsOf(explanation)), ...(losers.length === 0 ? [] : [table(losers)])].join('\n\n')
}

function rowsOf(explanation: Explanation): readonly Row[] {
  const { addresses, listener, authorityListener, certificates, clientCertificate } = explanation
  const { proxyProtocol } = explanation
  const { route, rule, match, filters = [], policies = [], backends = [], answer } = explanation
  return [
    ...addresses.map((text): Row => ['bind', text]),
    ...optional('PROXY protocol', proxyProtocol && `${proxyProtocol}, from trusted proxies`),
    ...optional('listener', listener),
    ...optional('authority', authorityListener && `belongs to ${authorityListener}`),
    ...optional('certificate', certificates?.join(', ')),
    ...optional('client certificate', clientCertificate),
    ...optional('route', route),
    ...optional('rule', rule),
    ...optional('match', match),
    ...filters.map((text): Row => ['filter', text]),
    ...policies.map((text): Row => ['policy', text]),
    ...backends.flatMap(backendRows),
    ...answerRows(answer),
  ]
}

function optional(label: string, text: string | undefined): readonly Row[] {
  return text === undefined ? [] : [[label, text]]
}

function backendRows(backend: ExplainedBackend): readonly Row[] {
  const { name, weight, problem, endpoints, filters, request, answer } = backend
  const places = endpoints.map(endpointText).join(', ') || 'no endpoints'
  return [
    ['backend', `${name} weight ${weight}: ${problem ?? places}`],
    ...filters.map((text): Row => ['  filter', text]),
    ...optional('  request', request && `${request.target} to host ${request.authority}`),
    ...optional('  PROXY protocol', backend.proxyProtocol),
    ...optional('  TLS', backend.tls),
    ...(answer === undefined ? [] : answerRows(answer)).map(
      ([label, text]): Row => [`  ${label}`, text],
    ),
  ]
}

function endpointText({ endpoint, name, health, ejectedForMs = 0 }: ExplainedEndpoint): string {
  const facts = [
    ...(name === undefined || health === 'unresolved' ? [] : [name]),
    ...(health === 'unresolved' ? ['does not resolve'] : []),
    ...(health === 'ejected' ? [`ejected, ${Math.ceil(ejectedForMs / 1000)} s left`] : []),
  ]
  return facts.length === 0 ? endpoint : `${endpoint} (${facts.join(', ')})`
}

function answerRows(answer: ExplainedAnswer): readonly Row[] {
  switch (answer.kind) {
    case 'forward':
      return [['answer', 'forward']]
    case 'http':
      return [['answer', 'HTTP is spoken here: ask with http:// or https://']]
    case 'closed':
      return [['answer', `${answer.how === 'fin' ? 'closed' : 'reset'}: ${answer.reason}`]]
    case 'not-listening':
      return [['answer', `not listening: ${answer.message}`]]
    case 'reply': {
      const { status, reason, grpcStatus, location, fields = [] } = answer
      const grpc = grpcStatus === undefined ? '' : `, grpc-status ${grpcStatus}`
      return [
        ['answer', `${status} ${STATUS_CODES[status] ?? ''}${grpc}: ${reason}`],
        ...optional('location', location),
        ...fields.map((line): Row => ['field', line]),
      ]
    }
    default:
      return assertNever(answer)
  }
}

function loserRows({ listed, more }: Losers, what: string): readonly (readonly string[])[] {
  return [
    ...listed.map(({ name, why }) => ['not', name, why]),
    ...(more === 0 ? [] : [['not', `${more} more ${what}`]]),
  ]
}
