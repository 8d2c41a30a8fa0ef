/**
 * One address of a manifest as an endpoint. What can or may not be a backend is reported where it
 * stands and left out (digest section 3.3, security.md: metadata services are denied).
 */
import type { Resource } from '../../api/resource.ts'
import { normalizeHostname } from '../../match/hostname.ts'
import { canonicalAddress, deniedTarget, isLoopback } from '../../match/target-address.ts'
import type { DocumentPath } from '../../model/diagnostic.ts'
import { type Endpoint, endpointText, type NamedEndpoint } from '../../model/upstream.ts'
import type { TranslateContext } from '../context.ts'
import { isOwnEndpoint } from './own-endpoints.ts'

export interface Place {
  readonly resource: Resource<unknown>
  readonly path: DocumentPath
}

/** None or one endpoint: an IP literal. */
export function addressEndpoint(
  context: TranslateContext,
  place: Place,
  text: string,
  port: number,
): readonly Endpoint[] {
  const address = canonicalAddress(text)
  if (address === undefined) {
    return refuse(context, place, `${JSON.stringify(text)} is no IP address.`)
  }
  const denial = deniedTarget(address)
  if (denial !== undefined) return refuse(context, place, `${text} is left out: ${denial}.`)
  if (isLoopback(address)) notePortability(context, place)
  return unlessOwn(context, place, { kind: 'ip', address, port })
}

/** None or one endpoint: a name that control resolves. */
export function nameEndpoint(
  context: TranslateContext,
  place: Place,
  text: string,
  port: number,
): readonly NamedEndpoint[] {
  const name = normalizeHostname(text)
  if (name === undefined) return refuse(context, place, `${JSON.stringify(text)} is no DNS name.`)
  return unlessOwn(context, place, { kind: 'name', name, port })
}

/** None or one endpoint: a socket of this machine. */
export function unixEndpoint(
  context: TranslateContext,
  place: Place,
  path: string,
): readonly Endpoint[] {
  return unlessOwn(context, place, { kind: 'unix', path })
}

function unlessOwn<T extends Endpoint | NamedEndpoint>(
  context: TranslateContext,
  place: Place,
  endpoint: T,
): readonly T[] {
  if (!isOwnEndpoint(context.options.ownEndpoints ?? [], endpoint)) return [endpoint]
  const denial = "gwproxy's own admin and metrics addresses are never backends"
  return refuse(context, place, `${endpointText(endpoint)} is left out: ${denial}.`)
}

function refuse(
  context: TranslateContext,
  { resource, path }: Place,
  message: string,
): readonly [] {
  context.diagnostics.report(resource, { severity: 'error', code: 'address', path, message })
  return []
}

/** Once for each object: at its list of addresses, so that equal findings fall together. */
function notePortability(context: TranslateContext, { resource, path }: Place): void {
  context.diagnostics.report(resource, {
    severity: 'note',
    code: 'portability',
    path: path.slice(0, 1),
    message: 'Loopback addresses work here, but the API server of a cluster refuses them.',
  })
}
