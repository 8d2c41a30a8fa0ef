/** Filters in words: names of fields, never their values, which may be credentials. */
import type {
  CorsFilter,
  HeaderModifierFilter,
  HttpFilter,
  PathRewrite,
  RedirectFilter,
  UrlRewriteFilter,
} from '../../model/http-filter.ts'
import type { UpstreamTarget } from '../../model/upstream-target.ts'

/** `nameOf`: of an upstream, by its target. */
export function filterText(filter: HttpFilter, nameOf: (target: UpstreamTarget) => string): string {
  // The registry pairs each kind with its own filter type; here the pair is taken apart.
  const text = TEXTS[filter.kind] as (filter: HttpFilter, nameOf: NameOf) => string
  return `${filter.kind}: ${text(filter, nameOf)}`
}

type NameOf = (target: UpstreamTarget) => string

const TEXTS = {
  'request-header-modifier': modifierText,
  'response-header-modifier': modifierText,
  'url-rewrite': rewriteText,
  'request-mirror': ({ target, numerator, denominator }, nameOf) =>
    `${numerator === denominator ? 'all' : `${numerator} of ${denominator}`} to ${nameOf(target)}`,
  cors: corsText,
  'request-redirect': redirectText,
  'external-auth': ({ target, service }, nameOf) =>
    `${nameOf(target)} must allow it, asked over ${service.kind === 'grpc' ? 'gRPC' : 'HTTP'}`,
} satisfies {
  [K in HttpFilter['kind']]: (filter: HttpFilter & { kind: K }, nameOf: NameOf) => string
}

function modifierText({ set, add, remove }: HeaderModifierFilter): string {
  const names = (list: readonly { readonly name: string }[]): string =>
    list.map(({ name }) => name).join(', ')
  return words([
    set.length > 0 && `sets ${names(set)}`,
    add.length > 0 && `adds ${names(add)}`,
    remove.length > 0 && `removes ${remove.join(', ')}`,
  ])
}

function rewriteText({ hostname, path }: UrlRewriteFilter): string {
  return words([hostname !== undefined && `host ${hostname}`, path && pathText(path)])
}

function redirectText({ statusCode, scheme, hostname, port, path }: RedirectFilter): string {
  return words([
    String(statusCode),
    scheme !== undefined && `scheme ${scheme}`,
    hostname !== undefined && `host ${hostname}`,
    port !== undefined && `port ${port}`,
    path && pathText(path),
  ])
}

function pathText(path: PathRewrite): string {
  return path.kind === 'full'
    ? `path ${path.value}`
    : `prefix ${path.prefix || '/'} to ${path.value || '/'}`
}

function corsText({ allowOrigins, allowCredentials, allowMethods }: CorsFilter): string {
  return words([
    allowOrigins === 'any' ? 'any origin' : `${allowOrigins.length} origins`,
    allowMethods.length > 0 && `methods ${allowMethods.join(', ')}`,
    allowCredentials && 'with credentials',
  ])
}

function words(list: readonly (string | false | undefined)[]): string {
  return list.filter((word) => typeof word === 'string').join('; ') || 'nothing'
}
