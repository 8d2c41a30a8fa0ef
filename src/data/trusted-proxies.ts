/**
 * Peers whose forwarding fields are believed (`--trusted-proxies`), and who the client is behind
 * them. Nobody is trusted by default (security.md section 2.5).
 */
import { BlockList, isIP } from 'node:net'

export class TrustedProxies {
  readonly #list = new BlockList()

  /** Addresses and CIDR ranges; already checked where they were given. */
  constructor(ranges: readonly string[]) {
    for (const range of ranges) {
      const [address = '', bits] = range.split('/')
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
      this.#list.addSubnet(address, Number(bits ?? (family === 'ipv6' ? 128 : 32)), family)
    }
  }

  has(address: string): boolean {
    const family = isIP(address)
    return family !== 0 && this.#list.check(address, family === 6 ? 'ipv6' : 'ipv4')
  }

  /** The nearest address to the left of all trusted ones; the peer itself when it is not trusted. */
  clientOf(peer: string, forwardedFor: string | undefined): string {
    if (forwardedFor === undefined || !this.has(peer)) return peer
    let client = peer
    for (const hop of forwardedFor.split(',').reverse()) {
      const address = hop.trim()
      if (isIP(address) === 0) return client
      client = address
      if (!this.has(address)) return client
    }
    return client
  }
}
