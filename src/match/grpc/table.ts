/**
 * gRPC routes compiled for lookup (digest section 5). Matches arrive sorted by precedence, and those
 * with an exact service come before all others: one Map probe finds them, the others are tried one
 * by one. PURE: used by data, explain and tests.
 */
import type { GrpcMatch, NameMatch } from '../../model/http.ts'
import { type ValueTest, valueTest } from '../http/table.ts'
import { checkedRegex } from '../regex.ts'

export interface GrpcRequest {
  /** Normalised name of the authority; undefined: an address, which only '' matches. */
  readonly host: string | undefined
  /** As `pathForm` gives it. */
  readonly path: string
  /** As MatchRequest.header. */
  header(name: string): string | undefined
}

/** Matches of one hostname: those of equally specific routes. */
export interface GrpcHostMatcher {
  /** The match that wins, whatever the host of the request. */
  lookup(request: GrpcRequest): GrpcMatch | undefined
}

/** `application/grpc` and its `+` forms: grpc-web is another protocol (gRPC over HTTP/2, Requests). */
const GRPC = /^application\/grpc(?:$|[+; \t])/i

export function isGrpcContent(contentType: string | undefined): boolean {
  return contentType !== undefined && GRPC.test(contentType)
}

/** As for HTTP. */
export function hasExpressions({ service, method, headers }: GrpcMatch): boolean {
  return [service, method, ...headers].some((wanted) => wanted?.kind === 'regex')
}

/** Throws GWP_DEFECT_INVARIANT on an expression that translate should have refused. */
export function compileGrpcHost(matches: readonly GrpcMatch[]): GrpcHostMatcher {
  return new IndexedHost(matches)
}

/** undefined: not of the form `/service/method`, which only a match without names fits. */
interface Call {
  readonly service: string | undefined
  readonly method: string | undefined
}

const NO_CALL: Call = { service: undefined, method: undefined }
const CALL = /^\/([^/]+)\/([^/]+)$/

function callOf(path: string): Call {
  const [, service, method] = CALL.exec(path) ?? []
  return service === undefined ? NO_CALL : { service, method }
}

class IndexedHost implements GrpcHostMatcher {
  readonly #byService = new Map<string, Candidate[]>()
  readonly #others: Candidate[] = []

  constructor(matches: readonly GrpcMatch[]) {
    for (const match of matches) this.#bucketOf(match).push(new Candidate(match))
  }

  lookup(request: GrpcRequest): GrpcMatch | undefined {
    const call = callOf(request.path)
    const named = call.service === undefined ? undefined : this.#byService.get(call.service)
    const fits = (candidate: Candidate): boolean => candidate.fits(call, request)
    return (named?.find(fits) ?? this.#others.find(fits))?.match
  }

  #bucketOf({ service }: GrpcMatch): Candidate[] {
    if (service?.kind !== 'exact') return this.#others
    const bucket = this.#byService.get(service.value) ?? []
    this.#byService.set(service.value, bucket)
    return bucket
  }
}

class Candidate {
  readonly match: GrpcMatch
  readonly #service: NameTest
  readonly #method: NameTest
  readonly #headers: readonly ValueTest[]

  constructor(match: GrpcMatch) {
    this.match = match
    this.#service = nameTest(match.service)
    this.#method = nameTest(match.method)
    this.#headers = match.headers.map(valueTest)
  }

  fits({ service, method }: Call, request: GrpcRequest): boolean {
    return (
      this.#service(service) &&
      this.#method(method) &&
      this.#headers.every(({ name, test }) => test(request.header(name)))
    )
  }
}

type NameTest = (name: string | undefined) => boolean

function nameTest(wanted: NameMatch | undefined): NameTest {
  if (wanted === undefined) return () => true
  const { kind, value } = wanted
  if (kind === 'exact') return (name) => name === value
  const regex = checkedRegex(value)
  return (name) => name !== undefined && regex.matches(name)
}
