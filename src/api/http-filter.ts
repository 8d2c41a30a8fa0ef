/**
 * Filters of HTTPRoute and GRPCRoute (upstream apis/v1/httproute_types.go). A filter is an object
 * with a `type` and the one payload field that belongs to it.
 */
import * as z from 'zod'
import { backendObjectRef, localObjectRef } from './backend-ref.ts'
import type { Output } from './common.ts'
import { patterned, portNumber, preciseHostname, text } from './common.ts'
import { payloadOf, report, unique } from './refine.ts'

const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+$/
/** The CRDs write `[\t ]?`, which means the same and backtracks without end. */
const HEADER_VALUE = /^[!-~]+([\t ][!-~]+)*$/
const URI_PATH = /^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$/
const ORIGIN =
  /(^\*$)|(^(http(s)?):\/\/(((\*\.)?([a-zA-Z0-9-]+\.)*[a-zA-Z0-9-]+|\*)(:([0-9]{1,5}))?)$)/

export const headerName: z.ZodString = patterned(1, 256, HEADER_NAME, 'an HTTP header name')

export const headerValue: z.ZodString = patterned(
  1,
  4096,
  HEADER_VALUE,
  'an HTTP header value: visible ASCII, single blanks between words',
)

/** A list whose entries have distinct names, compared as text, as the API server does. */
export function namedList<Item extends z.ZodType<{ readonly name: string }>>(item: Item) {
  return z
    .array(item)
    .max(16, 'must have at most 16 entries')
    .superRefine(unique((entry) => entry.name, 'name'))
    .describe('Names are unique.')
}

/** A list of distinct strings. */
function textSet<Item extends z.ZodType<string>>(item: Item, max: number) {
  return z
    .array(item)
    .max(max, `must have at most ${max} entries`)
    .superRefine(unique((entry: string) => entry))
    .meta({ uniqueItems: true })
}

/** A set in which `*` must stand alone. */
function wildcardSet<Item extends z.ZodType<string>>(item: Item, max: number) {
  return textSet(item, max)
    .superRefine((list, context) => {
      const entries: readonly string[] = list
      const star = entries.indexOf('*')
      if (list.length < 2 || star < 0) return
      report(context, [star], "must stand alone: '*' already allows all others")
    })
    .describe('An entry * stands alone.')
}

const header = z.strictObject({ name: headerName, value: headerValue })

export const headerModifier = z.strictObject({
  set: namedList(header).exactOptional(),
  add: namedList(header).exactOptional(),
  remove: textSet(z.string(), 16).exactOptional(),
})

export type HeaderModifier = Output<typeof headerModifier>

export const requestMirror = z
  .strictObject({
    backendRef: backendObjectRef,
    percent: z.int32().min(0, 'must be 0 to 100').max(100, 'must be 0 to 100').exactOptional(),
    fraction: z
      .strictObject({
        numerator: z.int32().min(0, 'must be 0 or more'),
        denominator: z.int32().min(1, 'must be 1 or more').default(100),
      })
      .superRefine(({ numerator, denominator }, context) => {
        if (numerator <= denominator) return
        report(context, ['numerator'], `must be at most the denominator, ${denominator}`)
      })
      .describe('numerator is at most denominator.')
      .exactOptional(),
  })
  .superRefine((mirror, context) => {
    if (mirror.percent === undefined || mirror.fraction === undefined) return
    report(context, ['fraction'], 'must not be set beside percent')
  })
  .describe('At most one of percent and fraction.')

export type RequestMirror = Output<typeof requestMirror>

const replacement = text(0, 1024).exactOptional()

const pathModifier = z
  .strictObject({
    type: z.enum(['ReplaceFullPath', 'ReplacePrefixMatch']),
    replaceFullPath: replacement,
    replacePrefixMatch: replacement,
  })
  .superRefine(
    payloadOf('type', {
      ReplaceFullPath: 'replaceFullPath',
      ReplacePrefixMatch: 'replacePrefixMatch',
    }),
  )
  .describe('Exactly the field that belongs to type is set.')

export type PathModifier = Output<typeof pathModifier>

const requestRedirect = z.strictObject({
  scheme: z.enum(['http', 'https']).exactOptional(),
  hostname: preciseHostname.exactOptional(),
  path: pathModifier.exactOptional(),
  port: portNumber.exactOptional(),
  statusCode: z.literal([301, 302, 303, 307, 308]).default(302),
})

export type RequestRedirect = Output<typeof requestRedirect>

const urlRewrite = z.strictObject({
  hostname: preciseHostname.exactOptional(),
  path: pathModifier.exactOptional(),
})

export type UrlRewrite = Output<typeof urlRewrite>

const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
] as const

export const httpMethod = z.enum(METHODS)

const cors = z.strictObject({
  allowOrigins: wildcardSet(
    patterned(
      1,
      253,
      ORIGIN,
      'an origin such as https://www.example.com or https://*.example.com, or *',
    ),
    64,
  ).exactOptional(),
  allowCredentials: z.boolean().exactOptional(),
  allowMethods: wildcardSet(z.enum([...METHODS, '*']), 9).exactOptional(),
  allowHeaders: wildcardSet(headerName, 64).exactOptional(),
  exposeHeaders: textSet(headerName, 64).exactOptional(),
  maxAge: z.int32().min(1, 'must be 1 or more seconds').default(5),
})

export type Cors = Output<typeof cors>

const externalAuth = z
  .strictObject({
    protocol: z.enum(['HTTP', 'GRPC']),
    backendRef: backendObjectRef,
    grpc: z
      .strictObject({ allowedHeaders: textSet(z.string(), 64).exactOptional() })
      .exactOptional(),
    http: z
      .strictObject({
        path: patterned(
          0,
          1024,
          URI_PATH,
          'of valid URI characters (percent-encode others)',
        ).exactOptional(),
        allowedHeaders: textSet(z.string(), 64).exactOptional(),
        allowedResponseHeaders: textSet(z.string(), 64).exactOptional(),
      })
      .exactOptional(),
    forwardBody: z.strictObject({ maxSize: z.int().exactOptional() }).exactOptional(),
  })
  .superRefine(payloadOf('protocol', { GRPC: 'grpc', HTTP: 'http' }))
  .describe('Exactly the field that belongs to protocol is set.')

export type ExternalAuth = Output<typeof externalAuth>

/** Filter type to the payload field that it needs and that no other type may have. */
const HTTP_PAYLOADS = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestMirror: 'requestMirror',
  RequestRedirect: 'requestRedirect',
  URLRewrite: 'urlRewrite',
  ExtensionRef: 'extensionRef',
  CORS: 'cors',
  ExternalAuth: 'externalAuth',
} as const

const httpFilter = z
  .strictObject({
    type: z.enum([
      'RequestHeaderModifier',
      'ResponseHeaderModifier',
      'RequestMirror',
      'RequestRedirect',
      'URLRewrite',
      'ExtensionRef',
      'CORS',
      'ExternalAuth',
    ]),
    requestHeaderModifier: headerModifier.exactOptional(),
    responseHeaderModifier: headerModifier.exactOptional(),
    requestMirror: requestMirror.exactOptional(),
    requestRedirect: requestRedirect.exactOptional(),
    urlRewrite: urlRewrite.exactOptional(),
    extensionRef: localObjectRef.exactOptional(),
    cors: cors.exactOptional(),
    externalAuth: externalAuth.exactOptional(),
  })
  .superRefine(payloadOf('type', HTTP_PAYLOADS))
  .describe('Exactly the field that belongs to type is set.')

export type HTTPFilter = Output<typeof httpFilter>

/** The key of filters that may stand once in a list: their type; undefined for all others. */
export function onceOf(types: readonly string[]) {
  return ({ type }: { readonly type: string }) => (types.includes(type) ? type : undefined)
}

export const httpFilters = z
  .array(httpFilter)
  .max(16, 'must have at most 16 filters')
  .superRefine(
    unique(
      onceOf([
        'CORS',
        'RequestHeaderModifier',
        'ResponseHeaderModifier',
        'RequestRedirect',
        'URLRewrite',
      ]),
      'type',
    ),
  )
  .superRefine((filters, context) => {
    const index = filters.findIndex((filter) => filter.type === 'URLRewrite')
    if (index < 0 || !filters.some((filter) => filter.type === 'RequestRedirect')) return
    report(context, [index, 'type'], 'must not be URLRewrite beside a RequestRedirect filter')
  })
  .describe(
    'Each of CORS, header modifiers, redirect and rewrite at most once; not both redirect and rewrite.',
  )
