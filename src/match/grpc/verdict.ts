/** As match/http/verdict, for gRPC: why a match does not fit a call. PURE: for `explain`. */
import type { GrpcMatch } from '../../model/http.ts'
import { HostGroups } from '../host-groups.ts'
import { compileGrpcHost, type GrpcRequest } from './table.ts'

/** The first criterion that fails, in the order host, service, method, headers; else undefined. */
export function failedCallCriterion(
  hostname: string,
  match: GrpcMatch,
  request: GrpcRequest,
): string | undefined {
  return criteriaOf(match).find(({ criterion }) => {
    const table = new HostGroups([[hostname, compileGrpcHost([criterion])]])
    return table.first(request.host, request, (host, asked) => host.lookup(asked)) === undefined
  })?.name
}

interface Criterion {
  readonly name: string
  /** A match that asks for this alone. */
  readonly criterion: GrpcMatch
}

function criteriaOf({ service, method, headers, rule }: GrpcMatch): readonly Criterion[] {
  const catchAll: GrpcMatch = { headers: [], rule }
  return [
    { name: 'host', criterion: catchAll },
    ...(service === undefined ? [] : [{ name: 'service', criterion: { ...catchAll, service } }]),
    ...(method === undefined ? [] : [{ name: 'method', criterion: { ...catchAll, method } }]),
    ...headers.map((header) => ({
      name: `header ${header.name}`,
      criterion: { ...catchAll, headers: [header] },
    })),
  ]
}
