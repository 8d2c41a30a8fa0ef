/**
 * One question, one answer: the hosts file first, then DNS (A and AAAA) through c-ares, which,
 * unlike getaddrinfo, blocks no thread and tells the TTL. Names are taken as fully qualified: no
 * search domains. `localhost` and names below it are the loopback addresses (RFC 6761 section 6.3).
 */
import { Resolver } from 'node:dns/promises'
import { readFileSync, statSync } from 'node:fs'
import { isIP, isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { compareText } from '../base/byte-order.ts'
import { errnoOf, messageOf } from '../base/errors.ts'
import { deniedTarget } from '../match/target-address.ts'

export type Lookup =
  | { readonly kind: 'addresses'; readonly addresses: readonly string[]; readonly ttlMs: number }
  /** The DNS says that the name does not exist, or has no address. */
  | { readonly kind: 'absent' }
  /** No answer to rely on: SERVFAIL, refused, timed out. */
  | { readonly kind: 'failed'; readonly reason: string }

export type LookUp = (name: string) => Promise<Lookup>

/** The A and AAAA queries of node:dns, which tests replace. */
export interface DnsQueries {
  resolve4(name: string, options: { ttl: true }): Promise<readonly DnsRecord[]>
  resolve6(name: string, options: { ttl: true }): Promise<readonly DnsRecord[]>
}

interface DnsRecord {
  readonly address: string
  readonly ttl: number
}

export interface ResolverOptions {
  readonly hostsFile?: string
  readonly resolvConf?: string
  readonly createQueries?: () => DnsQueries
  /** Whether AAAA answers are of use here. */
  readonly hasIpv6?: () => boolean
}

/** How soon an edit of the hosts file is noticed. */
const HOSTS_TTL_MS = 5000
/** How long an answer of one family waits for the other (RFC 8305 section 3, made generous). */
const OTHER_FAMILY_MS = 250

export function createLookUp(options: ResolverOptions = {}): LookUp {
  const hosts = new ChangingFile(options.hostsFile ?? '/etc/hosts', parseHosts)
  const createQueries =
    options.createQueries ?? (() => new Resolver({ timeout: 2000, tries: 2, maxTimeout: 4000 }))
  // c-ares reads the name servers once, so another resolv.conf takes another resolver.
  const queries = new ChangingFile(options.resolvConf ?? '/etc/resolv.conf', createQueries)
  const hasIpv6 = options.hasIpv6 ?? hasGlobalIpv6

  const ask = (name: string): Lookup | Promise<Lookup> => {
    if (isIP(name) !== 0) return { kind: 'addresses', addresses: [name], ttlMs: HOSTS_TTL_MS }
    const local = hosts.value.get(name) ?? localhost(name)
    if (local !== undefined) {
      return { kind: 'addresses', addresses: inOrder(local, true), ttlMs: HOSTS_TTL_MS }
    }
    return askDns(name, queries.value, hasIpv6())
  }
  return async (name) => withoutDenied(await ask(name))
}

/** Whoever owns a name does not choose where it leads to: what no manifest may name, no answer may. */
function withoutDenied(lookup: Lookup): Lookup {
  if (lookup.kind !== 'addresses') return lookup
  const addresses = lookup.addresses.filter((address) => deniedTarget(address) === undefined)
  const [first] = lookup.addresses
  if (addresses.length > 0 || first === undefined) return { ...lookup, addresses }
  return { kind: 'failed', reason: `it leads to ${first}: ${deniedTarget(first)}` }
}

async function askDns(name: string, queries: DnsQueries, hasIpv6: boolean): Promise<Lookup> {
  const v4 = answerOf(queries.resolve4(name, { ttl: true }))
  const v6 = answerOf(queries.resolve6(name, { ttl: true }))
  const answers = await bothOrSoon(v4, v6)
  const records = answers.flatMap((answer) => (answer.kind === 'records' ? answer.records : []))
  if (records.length > 0) {
    const addresses = records.map(({ address }) => address)
    const ttlMs = Math.min(...records.map(({ ttl }) => ttl)) * 1000
    return { kind: 'addresses', addresses: inOrder(addresses, hasIpv6), ttlMs }
  }
  return answers.find((answer) => answer.kind === 'failed') ?? { kind: 'absent' }
}

type Answer =
  | { readonly kind: 'records'; readonly records: readonly DnsRecord[] }
  | Exclude<Lookup, { kind: 'addresses' }>

async function answerOf(query: Promise<readonly DnsRecord[]>): Promise<Answer> {
  try {
    const records = await query
    return records.length > 0 ? { kind: 'records', records } : { kind: 'absent' }
  } catch (error) {
    const code = errnoOf(error)
    if (code === 'ENOTFOUND' || code === 'ENODATA') return { kind: 'absent' }
    return { kind: 'failed', reason: code ?? messageOf(error) }
  }
}

/** Both answers, or the first with records alone when the other family is much slower. */
function bothOrSoon(a: Promise<Answer>, b: Promise<Answer>): Promise<readonly Answer[]> {
  return new Promise((resolve) => {
    const arrived: Answer[] = []
    let timer: NodeJS.Timeout | undefined
    const arrive = (answer: Answer): void => {
      arrived.push(answer)
      if (arrived.length === 2) {
        clearTimeout(timer)
        resolve(arrived)
      } else if (answer.kind === 'records') {
        timer = setTimeout(() => resolve([...arrived]), OTHER_FAMILY_MS)
      }
    }
    void a.then(arrive)
    void b.then(arrive)
  })
}

/**
 * IPv6 first (RFC 6724), each family in byte order, since a DNS server rotates its answers and
 * nothing has changed then. Without an IPv6 address of our own, IPv6 only where there is no IPv4.
 */
function inOrder(addresses: readonly string[], hasIpv6: boolean): readonly string[] {
  const unique = [...new Set(addresses)].sort(compareText)
  const v6 = unique.filter(isIPv6)
  const v4 = unique.filter((address) => !isIPv6(address))
  return hasIpv6 || v4.length === 0 ? [...v6, ...v4] : v4
}

function localhost(name: string): readonly string[] | undefined {
  return name === 'localhost' || name.endsWith('.localhost') ? ['127.0.0.1', '::1'] : undefined
}

function hasGlobalIpv6(): boolean {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .some(({ family, internal, scopeid }) => family === 'IPv6' && !internal && scopeid === 0)
}

/** hosts(5): an address and its names per line; a name may have several lines. */
export function parseHosts(text: string): ReadonlyMap<string, readonly string[]> {
  const hosts = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    if (isIP(address) === 0) continue
    for (const name of names) {
      const key = name.toLowerCase()
      hosts.set(key, [...(hosts.get(key) ?? []), address])
    }
  }
  return hosts
}

/** What was made of a file, made anew when the file is another. A missing file counts as empty. */
class ChangingFile<T> {
  readonly #path: string
  readonly #make: (text: string) => T
  #stamp: string | undefined
  #value: T | undefined

  constructor(path: string, make: (text: string) => T) {
    this.#path = path
    this.#make = make
  }

  get value(): T {
    const stamp = stampOf(this.#path)
    if (this.#value === undefined || stamp !== this.#stamp) {
      this.#stamp = stamp
      this.#value = this.#make(textOf(this.#path))
    }
    return this.#value
  }
}

function stampOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats === undefined ? 'absent' : `${stats.ino}/${stats.size}/${stats.mtimeMs}`
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
