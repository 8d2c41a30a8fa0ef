/**
 * PROXY protocol, versions 1 and 2 (haproxy's doc/proxy-protocol.txt): reads the header that a proxy
 * puts before the bytes of its client. Stateless, bounded and strict: what is malformed is never
 * taken for the client's own bytes. Writing it: proxy-protocol-writer.ts.
 */
import { isIP } from 'node:net'
import { crc32c } from './crc32c.ts'
import { IPV4_BYTES, IPV6_BYTES, ipBytes, ipText } from './ip-bytes.ts'

export interface SocketEnd {
  /** Canonical IP address. */
  readonly address: string
  readonly port: number
}

/** Both ends of the connection that a proxy speaks for. */
export interface ProxiedEnds {
  readonly source: SocketEnd
  readonly destination: SocketEnd
}

export type ProxyVerdict =
  | { readonly kind: 'more' }
  /** The bytes begin with something else. */
  | { readonly kind: 'absent' }
  | {
      readonly kind: 'complete'
      /** Bytes of the header. */
      readonly length: number
      /** undefined: the proxy speaks for itself (LOCAL), or for somebody without an IP address. */
      readonly ends: ProxiedEnds | undefined
    }
  | { readonly kind: 'malformed'; readonly detail: string }

/** Longest line of version 1, its CRLF included. */
export const MAX_V1_BYTES = 107
/** What a sender of version 2 can rely on: the smallest MTU's payload. */
export const MAX_V2_BYTES = 536

export const V1_PREFIX = Buffer.from('PROXY ')
export const V2_SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
/** Signature, version and command, family and transport, length of the rest. */
export const V2_FIXED_BYTES = 16
export const TLV_HEAD_BYTES = 3

export const TLV = { alpn: 0x01, authority: 0x02, crc32c: 0x03 } as const

const VERSION_2 = 0x2
const COMMAND = { local: 0x0, proxy: 0x1 } as const
const CRC_BYTES = 4
const MORE: ProxyVerdict = { kind: 'more' }
const ABSENT: ProxyVerdict = { kind: 'absent' }

/** `bytes`: everything received so far. */
export function readProxyHeader(bytes: Buffer): ProxyVerdict {
  if (startsAs(bytes, V2_SIGNATURE)) return bytes.length < V2_FIXED_BYTES ? MORE : readV2(bytes)
  if (startsAs(bytes, V1_PREFIX)) return bytes.length < V1_PREFIX.length ? MORE : readV1(bytes)
  return ABSENT
}

/** As far as there are bytes. */
function startsAs(bytes: Buffer, prefix: Buffer): boolean {
  const length = Math.min(bytes.length, prefix.length)
  return bytes.subarray(0, length).equals(prefix.subarray(0, length))
}

function malformed(detail: string): ProxyVerdict {
  return { kind: 'malformed', detail }
}

function readV1(bytes: Buffer): ProxyVerdict {
  const line = bytes.subarray(0, MAX_V1_BYTES)
  const feed = line.indexOf('\n')
  if (feed < 0) {
    return line.length < MAX_V1_BYTES ? MORE : malformed('version 1: a line of over 107 bytes')
  }
  if (line[feed - 1] !== '\r'.charCodeAt(0)) return malformed('version 1: no CR before the LF')
  const length = feed + 1
  const [protocol, ...fields] = line
    .toString('latin1', V1_PREFIX.length, length - '\r\n'.length)
    .split(' ')
  switch (protocol) {
    case 'UNKNOWN':
      return { kind: 'complete', length, ends: undefined }
    case 'TCP4':
      return completeV1(4, fields, length)
    case 'TCP6':
      return completeV1(6, fields, length)
    default:
      return malformed('version 1: neither TCP4, TCP6 nor UNKNOWN')
  }
}

function completeV1(family: 4 | 6, fields: readonly string[], length: number): ProxyVerdict {
  const [from = '', to = '', fromPort = '', toPort = '', ...more] = fields
  const isWhole = more.length === 0 && [fromPort, toPort].every(isPort)
  if (!isWhole || ![from, to].every((address) => isPlainIp(address, family))) {
    return malformed(`version 1: not two addresses and two ports of TCP${family}`)
  }
  const source = { address: canonical(from), port: Number(fromPort) }
  const destination = { address: canonical(to), port: Number(toPort) }
  return { kind: 'complete', length, ends: { source, destination } }
}

function isPlainIp(text: string, family: 4 | 6): boolean {
  return isIP(text) === family && !text.includes('%')
}

function canonical(address: string): string {
  return ipText(ipBytes(address) ?? Buffer.alloc(IPV4_BYTES))
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9][0-9]{0,4})$/.test(text) && Number(text) <= 0xffff
}

/** Bytes of the addresses by family and transport; the other values must be refused. */
const V2_ADDRESS_BYTES: ReadonlyMap<number, number> = new Map([
  [0x00, 0],
  [0x11, 2 * (IPV4_BYTES + 2)],
  [0x21, 2 * (IPV6_BYTES + 2)],
  [0x31, 2 * 108],
])

function readV2(bytes: Buffer): ProxyVerdict {
  const versionAndCommand = bytes.readUInt8(12)
  const kind = bytes.readUInt8(13)
  const length = V2_FIXED_BYTES + bytes.readUInt16BE(14)
  const command = versionAndCommand & 0xf
  if (versionAndCommand >> 4 !== VERSION_2) return malformed('neither version 1 nor version 2')
  if (command !== COMMAND.local && command !== COMMAND.proxy) {
    return malformed('version 2: an unknown command')
  }
  if (length > MAX_V2_BYTES) return malformed(`version 2: a header of over ${MAX_V2_BYTES} bytes`)
  if (bytes.length < length) return MORE
  // Whatever else it says about the proxy's own connection is to be ignored.
  if (command === COMMAND.local) return { kind: 'complete', length, ends: undefined }
  const addresses = V2_ADDRESS_BYTES.get(kind)
  if (addresses === undefined) return malformed('version 2: neither TCP nor a unix stream')
  const header = bytes.subarray(0, length)
  const tlvs = V2_FIXED_BYTES + addresses
  const fault = tlvs > length ? 'cut off in the addresses' : tlvFault(header, tlvs)
  if (fault !== undefined) return malformed(`version 2: ${fault}`)
  return { kind: 'complete', length, ends: endsOf(header, kind) }
}

function endsOf(header: Buffer, kind: number): ProxiedEnds | undefined {
  switch (kind) {
    case 0x11:
      return endsAt(header, IPV4_BYTES)
    case 0x21:
      return endsAt(header, IPV6_BYTES)
    default:
      return undefined
  }
}

function endsAt(header: Buffer, size: number): ProxiedEnds {
  const from = V2_FIXED_BYTES
  const to = from + size
  const ports = to + size
  return {
    source: { address: ipText(header.subarray(from, to)), port: header.readUInt16BE(ports) },
    destination: {
      address: ipText(header.subarray(to, ports)),
      port: header.readUInt16BE(ports + 2),
    },
  }
}

/** Whether the TLVs fill the rest of the header, and its checksum, where it has one, is right. */
function tlvFault(header: Buffer, start: number): string | undefined {
  let sum: number | undefined
  let at = start
  while (at < header.length) {
    if (at + TLV_HEAD_BYTES > header.length) return 'cut off in a TLV'
    const value = at + TLV_HEAD_BYTES
    const size = header.readUInt16BE(at + 1)
    if (value + size > header.length) return 'a TLV beyond the end'
    if (header[at] === TLV.crc32c) {
      if (size !== CRC_BYTES || sum !== undefined) return 'not one checksum of 4 bytes'
      sum = value
    }
    at = value + size
  }
  if (sum === undefined || checksumOf(header, sum) === header.readUInt32BE(sum)) return undefined
  return 'a wrong checksum'
}

/** CRC-32C of the whole header, its own four bytes taken as zero. */
function checksumOf(header: Buffer, at: number): number {
  const before = crc32c(header.subarray(0, at))
  return crc32c(header.subarray(at + CRC_BYTES), crc32c(Buffer.alloc(CRC_BYTES), before))
}
