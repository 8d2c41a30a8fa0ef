/**
 * Peers whose forwarding fields are believed (`--trusted-proxy`), and who the client is behind
 * them. Nobody is trusted by default (security.md section 2.5).
 */
import { BlockList, isIP } from 'node:net'

export class TrustedProxies {
  readonly #list = new BlockList()
  readonly #isEmpty: boolean
  readonly #depth: number | undefined

  /**
   * Addresses and CIDR ranges; already checked where they were given. `depth`: the client is this
   * entry of X-Forwarded-For, counted from the right, from 1 on.
   */
  constructor(ranges: readonly string[], depth?: number) {
    this.#depth = depth
    this.#isEmpty = ranges.length === 0
    for (const range of ranges) {
      const [address = '', bits] = range.split('/')
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
      this.#list.addSubnet(address, Number(bits ?? (family === 'ipv6' ? 128 : 32)), family)
    }
  }

  has(address: string): boolean {
    if (this.#isEmpty) return false
    const family = isIP(address)
    return family !== 0 && this.#list.check(address, family === 6 ? 'ipv6' : 'ipv4')
  }

  /**
   * The nearest address to the left of all trusted ones, or the one at the depth; the peer itself
   * when it is not trusted.
   */
  clientOf(peer: string, forwardedFor: string | undefined): string {
    if (forwardedFor === undefined || !this.has(peer)) return peer
    if (this.#depth !== undefined) {
      // Fewer proxies than were told of, or no address: what stands there may be the client's word.
      const hop = forwardedFor.split(',').at(-this.#depth)?.trim() ?? ''
      return isIP(hop) === 0 ? peer : hop
    }
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
