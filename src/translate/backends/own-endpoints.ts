/**
 * Our own admin and metrics addresses as backends: denied, since whoever may write a route must not
 * thereby reach the admin interface (digest section 3.3). A name of the DNS is not looked through.
 */
import { posix } from 'node:path'
import { isLoopback } from '../../match/target-address.ts'
import type { Endpoint, NamedEndpoint } from '../../model/upstream.ts'
import { isWildcard } from '../addresses.ts'

/** Addresses are canonical, names normalised. */
export function isOwnEndpoint(
  own: readonly Endpoint[],
  endpoint: Endpoint | NamedEndpoint,
): boolean {
  return own.some((ours) => isSame(ours, endpoint))
}

function isSame(ours: Endpoint, endpoint: Endpoint | NamedEndpoint): boolean {
  if (ours.kind === 'unix') {
    return endpoint.kind === 'unix' && plainPath(ours.path) === plainPath(endpoint.path)
  }
  if (endpoint.kind === 'unix' || ours.port !== endpoint.port) return false
  if (endpoint.kind === 'name') return isLocalhost(endpoint.name) && isLocal(ours.address)
  return (
    ours.address === endpoint.address || (isWildcard(ours.address) && isLoopback(endpoint.address))
  )
}

/** `/var/run` is a link to `/run` everywhere. */
function plainPath(path: string): string {
  return posix.normalize(path).replace(/^\/var\/run\//, '/run/')
}

function isLocalhost(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost')
}

function isLocal(address: string): boolean {
  return isWildcard(address) || isLoopback(address)
}
