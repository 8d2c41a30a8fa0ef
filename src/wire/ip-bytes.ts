/** IP addresses as text and in network order. IPv4-mapped IPv6 is IPv4 in text (DESIGN.md decision 6). */
import { isIP, SocketAddress } from 'node:net'

export const IPV4_BYTES = 4
export const IPV6_BYTES = 16
const MAPPED = Buffer.from('00000000000000000000ffff', 'hex')

/** Canonical text of 4 or 16 bytes. */
export function ipText(bytes: Buffer): string {
  if (bytes.length === IPV4_BYTES) return bytes.join('.')
  if (bytes.subarray(0, MAPPED.length).equals(MAPPED))
    return bytes.subarray(MAPPED.length).join('.')
  const address = bytes.toString('hex').replace(/.{4}(?!$)/g, '$&:')
  return new SocketAddress({ address, family: 'ipv6' }).address
}

/** 4 or 16 bytes; a zone id is left out. undefined: no IP literal. */
export function ipBytes(text: string): Buffer | undefined {
  switch (isIP(text)) {
    case 4:
      return Buffer.from(text.split('.').map(Number))
    case 6:
      return ipv6Bytes(text.replace(/%.*$/, ''))
    default:
      return undefined
  }
}

/** IPv4 as IPv6; IPv6 as it is. */
export function mappedBytes(bytes: Buffer): Buffer {
  return bytes.length === IPV4_BYTES ? Buffer.concat([MAPPED, bytes]) : bytes
}

function ipv6Bytes(text: string): Buffer {
  const [head = '', tail] = text.split('::')
  const before = groupBytes(head)
  const after = groupBytes(tail ?? '')
  const gap = Buffer.alloc(IPV6_BYTES - before.length - after.length)
  return Buffer.concat([before, gap, after])
}

/** The last group may be dotted IPv4. */
function groupBytes(groups: string): Buffer {
  if (groups === '') return Buffer.alloc(0)
  return Buffer.concat(
    groups
      .split(':')
      .map((group) =>
        group.includes('.')
          ? Buffer.from(group.split('.').map(Number))
          : Buffer.from(group.padStart(4, '0'), 'hex'),
      ),
  )
}
