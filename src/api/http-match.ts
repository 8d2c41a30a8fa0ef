/** HTTPRouteMatch (upstream apis/v1/httproute_types.go). */
import * as z from 'zod'
import type { Output } from './common.ts'
import { text } from './common.ts'
import { headerName, headerValue, httpMethod, namedList } from './http-filter.ts'
import { report } from './refine.ts'

const VALID_PATH = /^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$/
const FORBIDDEN_IN_PATH = ['//', '/./', '/../', '%2f', '%2F', '#']
const FORBIDDEN_AT_END = ['/..', '/.']

const valueMatchType = z.enum(['Exact', 'RegularExpression']).default('Exact')

const pathMatch = z
  .strictObject({
    type: z.enum(['Exact', 'PathPrefix', 'RegularExpression']).default('PathPrefix'),
    value: text(0, 1024).default('/'),
  })
  .superRefine(({ type, value }, context) => {
    if (type === 'RegularExpression') return
    const problem = pathProblem(value)
    if (problem === undefined) return
    report(context, ['value'], `${problem} for type ${type}`)
  })
  .describe(
    "For types Exact and PathPrefix a path: starts with '/', no '//', '/./', '/../', '%2f' or '#'.",
  )

/** Why a text is no path to match by Exact or PathPrefix. */
function pathProblem(value: string): string | undefined {
  if (!value.startsWith('/')) return "must start with '/'"
  const inside = FORBIDDEN_IN_PATH.find((part) => value.includes(part))
  if (inside !== undefined) return `must not contain '${inside}'`
  const atEnd = FORBIDDEN_AT_END.find((part) => value.endsWith(part))
  if (atEnd !== undefined) return `must not end with '${atEnd}'`
  return VALID_PATH.test(value)
    ? undefined
    : 'must be of valid URI characters (percent-encode others)'
}

const ANY_PATH = { type: 'PathPrefix', value: '/' } as const

const httpMatch = z.strictObject({
  path: pathMatch.default(ANY_PATH),
  headers: namedList(
    z.strictObject({ type: valueMatchType, name: headerName, value: headerValue }),
  ).exactOptional(),
  queryParams: namedList(
    z.strictObject({ type: valueMatchType, name: headerName, value: text(1, 1024) }),
  ).exactOptional(),
  method: httpMethod.exactOptional(),
})

export type HTTPMatch = Output<typeof httpMatch>

export const httpMatches = z
  .array(httpMatch)
  .max(64, 'must have at most 64 matches')
  .default([{ path: ANY_PATH }])
