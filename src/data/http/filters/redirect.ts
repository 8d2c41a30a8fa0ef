/**
 * RequestRedirect (digest section 4.2). The Location is always absolute, built from a validated
 * authority: never scheme-relative.
 */
import type { RedirectFilter } from '../../../model/http-filter.ts'
import type { RequestHead, Scheme } from '../normalize.ts'
import { rewriteTarget } from './rewrite-path.ts'

const WELL_KNOWN: Readonly<Record<Scheme, number>> = { http: 80, https: 443 }

export interface RedirectRequest {
  readonly head: Pick<RequestHead, 'scheme' | 'authority' | 'target'>
  readonly listenerPort: number
}

export function redirectLocation(
  redirect: RedirectFilter,
  { head, listenerPort }: RedirectRequest,
): string {
  const scheme = redirect.scheme ?? head.scheme
  const port =
    redirect.port ?? (redirect.scheme === undefined ? listenerPort : WELL_KNOWN[redirect.scheme])
  const host = redirect.hostname ?? head.authority.hostText
  const place = port === WELL_KNOWN[scheme] ? host : `${host}:${port}`
  const target =
    redirect.path === undefined ? head.target : rewriteTarget(redirect.path, head.target)
  return `${scheme}://${place}${target}`
}
