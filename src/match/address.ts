/** One spelling of an IP address, wherever it came from (decision 6). */

const MAPPED = /^::ffff:(?=[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$)/i

/** An IPv4-mapped IPv6 address becomes the IPv4 address; a zone id is kept. */
export function plainAddress(address: string): string {
  return address.startsWith('::') ? address.replace(MAPPED, '') : address
}
