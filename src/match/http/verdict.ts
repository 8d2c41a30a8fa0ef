/**
 * Why a match does not fit a request: its criteria are put to the compiled table one after the
 * other, so that the answer is the data plane's own. PURE: for `explain`.
 */
import type { HttpMatch } from '../../model/http.ts'
import { HostGroups } from '../host-groups.ts'
import { compileHttpHost, type MatchRequest } from './table.ts'

/** The first criterion that fails, in the order host, path, method, headers, query; else undefined. */
export function failedCriterion(
  hostname: string,
  match: HttpMatch,
  request: MatchRequest,
): string | undefined {
  return criteriaOf(match).find(({ criterion }) => {
    const table = new HostGroups([[hostname, compileHttpHost([criterion])]])
    return table.first(request.host, request, (host, asked) => host.lookup(asked)) === undefined
  })?.name
}

interface Criterion {
  readonly name: string
  /** A match that asks for this alone. */
  readonly criterion: HttpMatch
}

function criteriaOf({ path, method, headers, query, rule }: HttpMatch): readonly Criterion[] {
  const catchAll: HttpMatch = { path: { kind: 'prefix', value: '' }, headers: [], query: [], rule }
  return [
    { name: 'host', criterion: catchAll },
    { name: 'path', criterion: { ...catchAll, path } },
    ...(method === undefined ? [] : [{ name: 'method', criterion: { ...catchAll, method } }]),
    ...headers.map((header) => ({
      name: `header ${header.name}`,
      criterion: { ...catchAll, headers: [header] },
    })),
    ...query.map((value) => ({
      name: `query ${value.name}`,
      criterion: { ...catchAll, query: [value] },
    })),
  ]
}
