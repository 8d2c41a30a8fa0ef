/** The API's pattern lets hostnames pass that no client sends, above all IPv4 addresses. */
import { isSendable } from '../match/hostname.ts'
import { canonicalAddress } from '../match/target-address.ts'

/** For the hostname of a listener or route: why it is of no use; undefined: it is. */
export function neverMatches(hostname: string): string | undefined {
  if (isSendable(hostname)) return undefined
  return canonicalAddress(hostname) === undefined
    ? `${hostname} is no DNS name that a client can send, so it never matches.`
    : `${hostname} is an address, which a hostname never matches; without hostname it is served.`
}
