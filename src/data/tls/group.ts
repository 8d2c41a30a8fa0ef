/**
 * The group of a handshake's key exchange. Node tells it to the client's side only, as of 26, but the
 * choice of OpenSSL follows from the peeked hello and from its own list: the tests hold this rule
 * against handshakes. Without a rule for this OpenSSL nothing is told.
 */
import type { ClientHello } from '../../wire/client-hello.ts'

/** What a client offers for the key exchange. */
export type Offer = Pick<ClientHello, 'groups' | 'keyShares'>

/** Names of RFC 8446 section 4.2.7, as IANA registers them, and whether TLS 1.2 knows them too. */
const GROUPS: ReadonlyMap<number, { readonly name: string; readonly in12: boolean }> = new Map([
  [0x11ec, { name: 'X25519MLKEM768', in12: false }],
  [0x001d, { name: 'x25519', in12: true }],
  [0x0017, { name: 'secp256r1', in12: true }],
  [0x001e, { name: 'x448', in12: true }],
  [0x0018, { name: 'secp384r1', in12: true }],
  [0x0019, { name: 'secp521r1', in12: true }],
  [0x0100, { name: 'ffdhe2048', in12: false }],
  [0x0101, { name: 'ffdhe3072', in12: false }],
])

/**
 * OpenSSL's own list since 3.5, which the policy takes (SSL_CTX_set1_groups_list(3)): a server takes
 * the first tuple that the client knows something of, and in it what needs no HelloRetryRequest.
 */
const TUPLES: readonly (readonly number[])[] = [
  [0x11ec],
  [0x001d, 0x0017],
  [0x001e, 0x0018, 0x0019],
  [0x0100, 0x0101],
]

const HAS_TUPLES = hasTuples(process.versions.openssl ?? '')

/** `version` as TLSSocket.getProtocol gives it. undefined: no new keys were exchanged, or not known. */
export function negotiatedGroup(
  { groups, keyShares }: Offer,
  version: string,
  resumed: boolean,
): string | undefined {
  if (!HAS_TUPLES) return undefined
  if (version === 'TLSv1.3') {
    for (const tuple of TUPLES) {
      const known = groups.filter((group) => tuple.includes(group))
      const chosen = known.find((group) => keyShares.includes(group)) ?? known[0]
      if (chosen !== undefined) return GROUPS.get(chosen)?.name
    }
    return undefined
  }
  // TLS 1.2 resumes without a key exchange, and keeps to the client's order.
  if (resumed) return undefined
  for (const group of groups) {
    const known = GROUPS.get(group)
    if (known?.in12 === true) return known.name
  }
  return undefined
}

function hasTuples(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 3 || (major === 3 && minor >= 5)
}
