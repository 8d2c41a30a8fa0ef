/**
 * Sessions of a rule (GEP-1619): a client that brings a token goes on where it was, before weights
 * and health are asked; every other one is chosen for as always and given a token with the answer.
 * An endpoint that is gone or ejected ends the session there: another one of its backend takes it
 * over, or of any backend if its own receives nothing new.
 */
import type { Clock } from '../../base/clock.ts'
import type { HttpSession } from '../../model/http.ts'
import type { WeightedUpstream } from '../../model/upstream.ts'
import type { SessionFact } from '../../observe/access-log.ts'
import type { BackendChoice, BackendSet, EndpointState } from '../upstream/contract.ts'
import { PinnedUpstream } from '../upstream/pinned.ts'
import type { Fields } from './fields.ts'
import { candidates, give } from './session-carrier.ts'
import { type Token, TokenKeys } from './session-token.ts'

/** Clocks of machines that share a secret may differ; a token from further ahead is no session. */
const CLOCK_SKEW_MS = 60_000

export interface SessionOptions {
  readonly clock: Clock
  /** Equal in all workers, 32 bytes in base64. */
  readonly secret: string
}

interface SessionBackend {
  readonly choice: Extract<BackendChoice, { kind: 'upstream' }>
  readonly weight: number
}

type Index = ReadonlyMap<string, EndpointState>

/** What a rule's tokens are read and written with. */
interface Vocabulary {
  readonly keys: TokenKeys
  /** By their names in tokens. */
  readonly backends: ReadonlyMap<string, SessionBackend>
  readonly names: ReadonlyMap<BackendChoice, string>
}

/** Of one rule, as long as its view lives. */
export class RuleSessions {
  readonly #session: HttpSession
  readonly #weighted: readonly WeightedUpstream[]
  readonly #set: BackendSet
  readonly #options: SessionOptions
  #vocabulary: Vocabulary | undefined
  /** Endpoints by their names in tokens, made when the first token of a list is looked up. */
  readonly #indexes = new WeakMap<readonly EndpointState[], Index>()

  /** `set` holds all of `backends`. */
  constructor(
    session: HttpSession,
    backends: readonly WeightedUpstream[],
    set: BackendSet,
    options: SessionOptions,
  ) {
    this.#session = session
    this.#weighted = backends
    this.#set = set
    this.#options = options
  }

  /** `fields`: the client's, before any filter. */
  begin(fields: Fields): ClientSession {
    const token = this.#read(fields)
    const resumed = token === undefined ? undefined : this.#resume(token)
    const choice = resumed ?? this.#set.choose()
    const backend = resumed === undefined ? this.#words.names.get(choice) : token?.backend
    const isSecure = fields.get('x-forwarded-proto') === 'https'
    return new ClientSession(this, { choice, backend, token, isSecure })
  }

  /** The endpoint, by its text, sends its answer to this client. */
  answered(
    { backend, token, isSecure }: Begun,
    text: string,
    fields: Fields,
  ): SessionFact | undefined {
    if (backend === undefined) return undefined
    const { keys } = this.#words
    const endpoint = keys.nameOf('endpoint', text)
    if (token?.backend === backend && token.endpoint === endpoint) return 'kept'
    const made = keys.seal({ backend, endpoint, began: this.#options.clock.now() })
    const lifeMs = this.#session.absoluteMs
    give(this.#session.carrier, { token: made, lifeMs, isSecure }, fields)
    return token === undefined ? 'new' : 'moved'
  }

  #read(fields: Fields): Token | undefined {
    for (const text of candidates(this.#session.carrier, fields)) {
      const token = this.#words.keys.open(text)
      if (token !== undefined && this.#lives(token)) return token
    }
    return undefined
  }

  #lives({ began }: Token): boolean {
    const age = this.#options.clock.now() - began
    return age >= -CLOCK_SKEW_MS && age < (this.#session.absoluteMs ?? Number.POSITIVE_INFINITY)
  }

  /** undefined: nothing to go on with. */
  #resume(token: Token): BackendChoice | undefined {
    const backend = this.#words.backends.get(token.backend)
    if (backend === undefined) return undefined
    const { choice, weight } = backend
    const find = (list: readonly EndpointState[]) => this.#indexOf(list).get(token.endpoint)
    const { upstream, filters } = choice
    const { endpoints } = upstream
    if (endpoints !== undefined) {
      const endpoint = find(endpoints)
      const isThere = endpoint !== undefined && !upstream.avoids(endpoint)
      if (!isThere && (weight === 0 || endpoints.length === 0)) return undefined
    }
    return { kind: 'upstream', upstream: new PinnedUpstream(upstream, find), filters }
  }

  #indexOf(list: readonly EndpointState[]): Index {
    const known = this.#indexes.get(list)
    if (known !== undefined) return known
    const { keys } = this.#words
    const names = list.map((each) => [keys.nameOf('endpoint', each.text), each] as const)
    const index = new Map(names)
    this.#indexes.set(list, index)
    return index
  }

  /** Made on first use: those of thousands of rules would hold a reload up. */
  get #words(): Vocabulary {
    this.#vocabulary ??= this.#name(new TokenKeys(this.#options.secret, this.#session.scope))
    return this.#vocabulary
  }

  #name(keys: TokenKeys): Vocabulary {
    const backends = new Map<string, SessionBackend>()
    const names = new Map<BackendChoice, string>()
    const seen = new Map<string, number>()
    for (const [index, choice] of this.#set.choices.entries()) {
      if (choice.kind !== 'upstream') continue
      const { name } = choice.upstream
      // One Service may stand here twice, with filters of its own each.
      const count = seen.get(name) ?? 0
      seen.set(name, count + 1)
      const inTokens = keys.nameOf('backend', `${name} ${count}`)
      names.set(choice, inTokens)
      backends.set(inTokens, { choice, weight: this.#weighted[index]?.weight ?? 0 })
    }
    return { keys, backends, names }
  }
}

interface Begun {
  readonly choice: BackendChoice
  /** Its name in tokens; undefined: there is nothing to come back to. */
  readonly backend: string | undefined
  /** What the client came with. */
  readonly token: Token | undefined
  readonly isSecure: boolean
}

/** Of one exchange. */
export class ClientSession {
  readonly #sessions: RuleSessions
  readonly #begun: Begun

  constructor(sessions: RuleSessions, begun: Begun) {
    this.#sessions = sessions
    this.#begun = begun
  }

  /** Where the exchange goes. */
  get choice(): BackendChoice {
    return this.#begun.choice
  }

  /** The endpoint's head goes out: with a token, unless the client came with the same. */
  answered(endpoint: string | undefined, fields: Fields): SessionFact | undefined {
    return endpoint === undefined
      ? undefined
      : this.#sessions.answered(this.#begun, endpoint, fields)
  }
}
