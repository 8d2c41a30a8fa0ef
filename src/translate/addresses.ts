/**
 * Bind addresses of Gateways (DESIGN.md decision 6): their canonical form, which of them share a
 * socket, and the address pool. Pure arithmetic; whether a machine has an address, binding tells.
 */
import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { GwProxyError } from '../base/errors.ts'
import { canonicalAddress } from '../match/target-address.ts'

/** More probes than this mean a pool that is full for all practical purposes. */
const MAX_PROBES = 65_536n

/** Shortest form, IPv4-mapped as IPv4. undefined: no literal address, or one with a zone. */
export function bindAddress(text: string): string | undefined {
  return text.includes('%') ? undefined : canonicalAddress(text)
}

export function isWildcard(address: string): boolean {
  return address === '::' || address === '0.0.0.0'
}

/**
 * Whether two different addresses on one port need the same socket: one of them is a wildcard that
 * takes the other's connections too. `::` is dual-stack.
 */
export function sharesSocket(a: string, b: string): boolean {
  return covers(a, b) || covers(b, a)
}

function covers(wildcard: string, address: string): boolean {
  return wildcard === '::' || (wildcard === '0.0.0.0' && isIP(address) === 4)
}

/** The socket's address for `address`, given all addresses in use on the port. */
export function socketAddress(address: string, inUse: ReadonlySet<string>): string {
  if (inUse.has('::')) return '::'
  return inUse.has('0.0.0.0') && covers('0.0.0.0', address) ? '0.0.0.0' : address
}

export interface AddressPool {
  readonly first: bigint
  readonly size: bigint
  readonly family: 4 | 6
}

/** Throws GWP_OPTION_INVALID when the text is no CIDR block. */
export function parsePool(cidr: string): AddressPool {
  const [network = '', prefixText = ''] = cidr.split('/')
  const family = isIP(network)
  const bits = family === 4 ? 32 : 128
  const prefix = /^\d{1,3}$/.test(prefixText) ? Number(prefixText) : Number.NaN
  if ((family !== 4 && family !== 6) || !(prefix <= bits)) {
    throw new GwProxyError(
      'GWP_OPTION_INVALID',
      `--address-pool must be a CIDR block such as 127.10.0.0/16, not ${JSON.stringify(cidr)}`,
    )
  }
  const span = 1n << BigInt(bits - prefix)
  const start = (toNumber(network, family) / span) * span
  // The network and broadcast addresses of a larger block are nobody's.
  return span > 2n
    ? { first: start + 1n, size: span - 2n, family }
    : { first: start, size: span, family }
}

/**
 * An address for `name` that is not taken: the name's hash is tried first, so that a Gateway keeps
 * its address when others come and go. undefined: the pool is full.
 */
export function assignFromPool(
  pool: AddressPool,
  name: string,
  taken: ReadonlySet<string>,
): string | undefined {
  const hash = BigInt(`0x${createHash('sha256').update(name).digest('hex').slice(0, 16)}`)
  const probes = pool.size < MAX_PROBES ? pool.size : MAX_PROBES
  for (let probe = 0n; probe < probes; probe++) {
    const address = toText(pool.first + ((hash + probe) % pool.size), pool.family)
    if (!taken.has(address)) return address
  }
  return undefined
}

function toNumber(address: string, family: 4 | 6): bigint {
  if (family === 4) {
    return address.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n)
  }
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail] = canonical.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0')
  return [...left, ...zeros, ...right].reduce(
    (sum, part) => sum * 65_536n + BigInt(`0x${part}`),
    0n,
  )
}

function toText(value: bigint, family: 4 | 6): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.')
  const groups = value.toString(16).padStart(32, '0').match(/.{4}/g) ?? []
  return canonicalAddress(groups.join(':')) ?? groups.join(':')
}
