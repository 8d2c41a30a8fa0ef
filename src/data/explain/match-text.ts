/** Matches in words: names of fields and parameters, never their values, which may be secrets. */
import type { GrpcMatch, HttpMatch, NameMatch } from '../../model/http.ts'
import type { Candidate } from './rules.ts'

/** `a.test, prefix /x, method POST, header x-canary` */
export function matchText(candidate: Candidate): string {
  const { host, match } = candidate
  const own = candidate.kind === 'http' ? requestWords(candidate.match) : callWords(candidate.match)
  const headers = match.headers.map(({ name }) => `header ${name}`)
  return [host.hostname || 'any host', ...own, ...headers].join(', ')
}

function requestWords({ path, method, query }: HttpMatch): readonly string[] {
  return [
    `${path.kind} ${path.value || '/'}`,
    ...(method === undefined ? [] : [`method ${method}`]),
    ...query.map(({ name }) => `query ${name}`),
  ]
}

function callWords({ service, method }: GrpcMatch): readonly string[] {
  return [...nameWords('service', service), ...nameWords('method', method)]
}

function nameWords(what: string, name: NameMatch | undefined): readonly string[] {
  if (name === undefined) return []
  return [`${what} ${name.kind === 'regex' ? 'regex ' : ''}${name.value}`]
}
