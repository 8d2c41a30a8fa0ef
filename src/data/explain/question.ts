/** An ExplainRequest read: what the client connects to and what it sends there. */
import { isIP } from 'node:net'
import { GwProxyError } from '../../base/errors.ts'
import { canonicalAddress } from '../../match/target-address.ts'
import type { ExplainRequest } from '../../model/explanation.ts'

export interface Question {
  readonly scheme: Scheme
  /** SNI behind TLS; brackets of IPv6 taken off. */
  readonly host: string
  readonly port: number
  /** The local address, canonical; undefined: whichever has the port. */
  readonly address: string | undefined
  readonly method: string
  /** Path and query. */
  readonly target: string
  /** Names and values in turn, one Host among them. */
  readonly fields: readonly string[]
}

export type Scheme = 'https' | 'http' | 'tls' | 'tcp' | 'udp'

const URL_SHAPE =
  /^(https?|tls|tcp|udp):\/\/(\[[^\]]+\]|[^/:?#@[\]]+)(?::([0-9]{1,5}))?([/?][^#]*)?(?:#.*)?$/i

/** undefined: the URL has to say it. */
const PORTS: Readonly<Record<Scheme, number | undefined>> = {
  https: 443,
  http: 80,
  tls: 443,
  tcp: undefined,
  udp: undefined,
}

/** @throws GwProxyError GWP_OPTION_INVALID: the message says what was expected */
export function questionOf(request: ExplainRequest): Question {
  const { url, method = 'GET', headers = [] } = request
  const [, sentScheme = '', hostText = '', digits, rest = '/'] = URL_SHAPE.exec(url) ?? []
  const scheme = sentScheme.toLowerCase()
  if (!isScheme(scheme)) {
    throw invalid(`${url}: expected https://, http://, tls://, tcp:// or udp:// and a host`)
  }
  const port = digits === undefined ? PORTS[scheme] : Number(digits)
  if (port === undefined) throw invalid(`${url}: ${scheme}:// needs a port`)
  if (port < 1 || port > 65_535) throw invalid(`${url}: expected a port from 1 to 65535`)
  const host = hostText.replace(/^\[|\]$/g, '')
  return {
    scheme,
    host,
    port,
    address: request.address === undefined ? canonical(host) : addressOf(request.address),
    method,
    target: rest.startsWith('/') ? rest : `/${rest}`,
    fields: fieldsOf(headers, digits === undefined ? hostText : `${hostText}:${digits}`),
  }
}

function isScheme(text: string): text is Scheme {
  return Object.hasOwn(PORTS, text)
}

function fieldsOf(lines: readonly string[], authority: string): readonly string[] {
  const fields = lines.map((line): readonly [string, string] => {
    const colon = line.indexOf(':')
    if (colon < 1) throw invalid(`-H ${line}: expected 'Name: value'`)
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  const hasHost = fields.some(([name]) => name.toLowerCase() === 'host')
  return [...(hasHost ? [] : ['Host', authority]), ...fields.flat()]
}

function addressOf(text: string): string {
  const address = canonical(text.replace(/^\[(.*)\]$/, '$1'))
  if (address === undefined) throw invalid(`--address ${text}: expected an IP address`)
  return address
}

/** undefined: no address. A zone names an interface of the client's, hence no address of ours. */
function canonical(text: string): string | undefined {
  return isIP(text) === 0 || text.includes('%') ? undefined : canonicalAddress(text)
}

function invalid(message: string): GwProxyError {
  return new GwProxyError('GWP_OPTION_INVALID', message)
}
