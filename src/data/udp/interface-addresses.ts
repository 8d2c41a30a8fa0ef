/**
 * The addresses behind a wildcard. node:dgram neither tells which local address a datagram came to
 * nor chooses that of the answer, so a wildcard bind has a socket for each (DESIGN decision 15).
 */
import { networkInterfaces } from 'node:os'

/** `::` is dual-stack. A link-local address carries its zone. Any other address stands for itself. */
export function localAddressesOf(
  address: string,
  interfaces: ReturnType<typeof networkInterfaces> = networkInterfaces(),
): readonly string[] {
  if (address !== '::' && address !== '0.0.0.0') return [address]
  const found = new Set<string>()
  for (const [name, addresses = []] of Object.entries(interfaces)) {
    for (const { family, address: own, scopeid } of addresses) {
      if (family === 'IPv4') found.add(own)
      else if (address === '::') found.add(scopeid === 0 ? own : `${own}%${name}`)
    }
  }
  return [...found]
}

export function withoutZone(address: string): string {
  const zone = address.indexOf('%')
  return zone === -1 ? address : address.slice(0, zone)
}
