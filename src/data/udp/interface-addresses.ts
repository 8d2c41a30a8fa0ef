/**
 * The addresses behind a wildcard. node:dgram neither tells which local address a datagram came to
 * nor chooses that of the answer, so a wildcard bind has a socket for each (DESIGN decision 15).
 */
import { networkInterfaces } from 'node:os'

type Interfaces = ReturnType<typeof networkInterfaces>

/**
 * `::` is dual-stack. A link-local address carries its zone. Any other address stands for itself.
 * undefined: the machine's addresses cannot be listed now.
 */
export function localAddressesOf(
  address: string,
  list: () => Interfaces = networkInterfaces,
): readonly string[] | undefined {
  if (address !== '::' && address !== '0.0.0.0') return [address]
  const interfaces = tryTo(list)
  if (interfaces === undefined) return undefined
  const found = new Set<string>()
  for (const [name, addresses = []] of Object.entries(interfaces)) {
    for (const { family, address: own, scopeid } of addresses) {
      if (family === 'IPv4') found.add(own)
      else if (address === '::') found.add(scopeid === 0 ? own : `${own}%${name}`)
    }
  }
  return [...found]
}

/** Listing opens a socket: without descriptors it fails, and must not take the worker along. */
function tryTo(list: () => Interfaces): Interfaces | undefined {
  try {
    return list()
  } catch {
    return undefined
  }
}

export function withoutZone(address: string): string {
  const zone = address.indexOf('%')
  return zone === -1 ? address : address.slice(0, zone)
}
