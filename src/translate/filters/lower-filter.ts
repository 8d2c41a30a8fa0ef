/**
 * All filter types of the Gateway API and what each is lowered to. What is not known is refused,
 * naming the field: a filter is never skipped.
 */
import type { HTTPFilter } from '../../api/http-filter.ts'
import { lowerCors } from './cors.ts'
import { lowerExternalAuth } from './external-auth.ts'
import { lowerHeaderModifier } from './header-modifier.ts'
import type { FilterPlace, LoweredFilter } from './lowered-filter.ts'
import { lowerRequestMirror } from './request-mirror.ts'
import { lowerRequestRedirect } from './request-redirect.ts'
import { lowerUrlRewrite } from './url-rewrite.ts'

export function lowerFilter(filter: HTTPFilter, place: FilterPlace): LoweredFilter {
  return LOWERINGS[filter.type](filter, place)
}

type Lowering = typeof lowerFilter

const LOWERINGS = {
  RequestHeaderModifier: ({ requestHeaderModifier = {} }, { path }) =>
    lowerHeaderModifier('request-header-modifier', requestHeaderModifier, [
      ...path,
      'requestHeaderModifier',
    ]),
  ResponseHeaderModifier: ({ responseHeaderModifier = {} }, { path }) =>
    lowerHeaderModifier('response-header-modifier', responseHeaderModifier, [
      ...path,
      'responseHeaderModifier',
    ]),
  RequestRedirect: ({ requestRedirect = { statusCode: 302 } }, { prefix, path }) =>
    lowerRequestRedirect(requestRedirect, prefix, [...path, 'requestRedirect']),
  URLRewrite: ({ urlRewrite = {} }, { prefix, path }) =>
    lowerUrlRewrite(urlRewrite, prefix, [...path, 'urlRewrite']),
  ExtensionRef: ({ extensionRef }, { path }) => ({
    kind: 'unresolved',
    path: [...path, 'extensionRef'],
    message: `Filters of kind ${extensionRef?.kind} of group ${JSON.stringify(extensionRef?.group)} are not known; requests get 500.`,
  }),
  RequestMirror: ({ requestMirror }, place) => lowerRequestMirror(requestMirror, place),
  CORS: ({ cors = { maxAge: 5 } }, { path }) => lowerCors(cors, [...path, 'cors']),
  ExternalAuth: ({ externalAuth }, place) => lowerExternalAuth(externalAuth, place),
} as const satisfies Record<HTTPFilter['type'], Lowering>
