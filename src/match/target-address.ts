/**
 * Addresses as targets: one canonical text for each, and which ones no backend may have
 * (digest section 3.3: metadata services are denied). For literals in manifests and for the
 * answers of the name service alike.
 */
import { BlockList, isIP, SocketAddress } from 'node:net'
import { plainAddress } from './address.ts'

/** Canonical text; IPv4-mapped IPv6 becomes IPv4 (decision 6). undefined: no IP literal. */
export function canonicalAddress(text: string): string | undefined {
  const version = isIP(text)
  if (version === 0) return undefined
  if (version === 4) return text
  return plainAddress(new SocketAddress({ address: text, family: 'ipv6' }).address)
}

const METADATA = blockList(
  ['169.254.0.0', 16],
  // Alibaba Cloud, Azure, AWS, Google, Oracle and Scaleway have theirs outside the link-local ranges.
  ['100.100.100.200', 32],
  ['168.63.129.16', 32],
  ['fd00:ec2::254', 128],
  ['fd20:ce::254', 128],
  ['fd00:c1::a9fe:a9fe', 128],
  ['fd00:42::42', 128],
  ['fe80::', 10],
  // NAT64 and 6to4 would lead to the same IPv4 addresses.
  ['64:ff9b::a9fe:0', 112],
  ['2002:a9fe::', 32],
)
const NO_HOST = blockList(['0.0.0.0', 8], ['224.0.0.0', 3], ['::', 128], ['ff00::', 8])
const LOOPBACK = blockList(['127.0.0.0', 8], ['::1', 128])

/** Why `address` may not be a backend, as the end of a sentence; undefined: it may. */
export function deniedTarget(address: string): string | undefined {
  if (contains(METADATA, address)) return 'link-local and metadata addresses are never backends'
  if (contains(NO_HOST, address)) return 'it names no single host'
  return undefined
}

/** Fine here, refused by a cluster's API server. */
export function isLoopback(address: string): boolean {
  return contains(LOOPBACK, address)
}

function contains(list: BlockList, address: string): boolean {
  const version = isIP(address)
  return version !== 0 && list.check(address, version === 4 ? 'ipv4' : 'ipv6')
}

function blockList(...subnets: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList()
  for (const [address, bits] of subnets) {
    // Not isIP: the regular expression that it compiles is milliseconds of every start.
    list.addSubnet(address, bits, address.includes(':') ? 'ipv6' : 'ipv4')
  }
  return list
}
