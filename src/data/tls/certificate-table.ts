/**
 * Which certificates a server name gets, inside one trust domain: those that name it exactly, else
 * those with a wildcard for its parent (one label, RFC 6125 section 6.4.3), else the default ones.
 * Of each kind of key one is kept, so that RSA and ECDSA stand side by side.
 */
import type { Digest } from '../../base/brand.ts'
import type { CertificatePart } from '../../model/tls.ts'

export interface NamedCertificate {
  readonly digest: Digest
  readonly part: CertificatePart
}

/** Certificates that are offered together, at most one of each key type. */
export interface CertificateSet {
  /** Equal for equal sets. */
  readonly key: string
  readonly parts: readonly CertificatePart[]
}

export class CertificateTable {
  readonly #sets = new Map<string, CertificateSet>()
  readonly #byName = new Map<string, CertificateSet>()
  readonly #default: CertificateSet | undefined

  /** The first certificate is the default. */
  constructor(certificates: readonly NamedCertificate[]) {
    const [first] = certificates
    const byName = Map.groupBy(
      certificates.flatMap((certificate) =>
        certificate.part.dnsNames.map((name) => ({ name, certificate })),
      ),
      ({ name }) => name,
    )
    for (const [name, entries] of byName) {
      this.#byName.set(name, this.#set(entries.map(({ certificate }) => certificate)))
    }
    if (first !== undefined) {
      this.#default = this.#set([first, ...certificates.filter((other) => sameNames(first, other))])
    }
  }

  /** `name` is normalised; undefined: the client sent none. Returns undefined of an empty table. */
  choose(name: string | undefined): CertificateSet | undefined {
    if (name === undefined) return this.#default
    const exact = this.#byName.get(name)
    if (exact !== undefined) return exact
    const dot = name.indexOf('.')
    const wildcard = dot === -1 ? undefined : this.#byName.get(`*${name.slice(dot)}`)
    return wildcard ?? this.#default
  }

  sets(): Iterable<CertificateSet> {
    return this.#sets.values()
  }

  #set(certificates: readonly NamedCertificate[]): CertificateSet {
    const chosen = certificates.filter(
      ({ part }, i) => certificates.findIndex((other) => other.part.keyType === part.keyType) === i,
    )
    const key = chosen.map(({ digest }) => digest).join(' ')
    const known = this.#sets.get(key)
    if (known !== undefined) return known
    const set = { key, parts: chosen.map(({ part }) => part) }
    this.#sets.set(key, set)
    return set
  }
}

/** A pair of the default certificate: another kind of key for the same names. */
function sameNames(a: NamedCertificate, b: NamedCertificate): boolean {
  return [...a.part.dnsNames].sort().join() === [...b.part.dnsNames].sort().join()
}
