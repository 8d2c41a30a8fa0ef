/** Route tables for tests: whole ones from parts, and lookups over hosts as the data plane does them. */
import assert from 'node:assert/strict'
import type { Digest } from '../../src/base/brand.ts'
import { digestOf } from '../../src/base/digest.ts'
import { compileGrpcHost, type GrpcRequest } from '../../src/match/grpc/table.ts'
import { HostGroups } from '../../src/match/host-groups.ts'
import { compileHttpHost, type MatchRequest } from '../../src/match/http/table.ts'
import type {
  GrpcHostPart,
  GrpcMatch,
  HostRef,
  HttpHostPart,
  HttpMatch,
  HttpRule,
} from '../../src/model/http.ts'
import type { Part } from '../../src/model/snapshot.ts'

export interface Host<Match> {
  readonly hostname: string
  readonly matches: readonly Match[]
}

export function httpLookup(
  hosts: readonly Host<HttpMatch>[],
): (request: MatchRequest) => HttpMatch | undefined {
  return lookupIn(hosts, compileHttpHost)
}

export function grpcLookup(
  hosts: readonly Host<GrpcMatch>[],
): (request: GrpcRequest) => GrpcMatch | undefined {
  return lookupIn(hosts, compileGrpcHost)
}

function lookupIn<Match, Request extends { readonly host: string | undefined }>(
  hosts: readonly Host<Match>[],
  compile: (matches: readonly Match[]) => { lookup(request: Request): Match | undefined },
): (request: Request) => Match | undefined {
  const groups = new HostGroups(
    hosts.map(({ hostname, matches }) => [hostname, compile(matches)] as const),
  )
  return (request) => groups.first(request.host, request, (host, asked) => host.lookup(asked))
}

/** Parts by their digests, as a translation collects them. */
export class Parts extends Map<Digest, Part> {
  add(part: Part): Digest {
    const digest = digestOf(part)
    this.set(digest, part)
    return digest
  }
}

export type WholeHost = (HttpHostPart | GrpcHostPart) & { readonly hostname: string }

export function wholeHosts(
  hosts: readonly HostRef[],
  parts: ReadonlyMap<Digest, Part>,
): readonly WholeHost[] {
  return hosts.map(({ hostname, routes }) => {
    const part = parts.get(routes)
    assert.ok(part?.kind === 'http-host' || part?.kind === 'grpc-host')
    return { hostname, ...part }
  })
}

export function ruleOf({ rules }: WholeHost, match: { readonly rule: number }): HttpRule {
  const rule = rules[match.rule]
  assert.ok(rule)
  return rule
}
