/**
 * PROXY protocol, versions 1 and 2: the header that is sent to a backend before the bytes of the
 * client (haproxy's doc/proxy-protocol.txt).
 */
import type { UpstreamPart } from '../model/upstream.ts'
import { ipBytes, IPV4_BYTES, ipText, mappedBytes } from './ip-bytes.ts'
import { type ProxiedEnds, TLV, TLV_HEAD_BYTES, V2_SIGNATURE } from './proxy-protocol.ts'

type Version = NonNullable<UpstreamPart['proxyProtocol']>

/** Whom the connection is for. */
export interface ProxyFacts {
  /** undefined: for ourselves, such as an authorization call. */
  readonly ends: ProxiedEnds | undefined
  /** Version 2 only: the server name that the client asked for. */
  readonly authority?: string | undefined
  /** Version 2 only: what was agreed on with the client. */
  readonly alpn?: string | undefined
}

const V2_PROXY = 0x21
const V2_LOCAL = 0x20
const UNSPECIFIED = 0x00
const TCP4 = 0x11
const TCP6 = 0x21

export function proxyHeader(version: Version, facts: ProxyFacts): Buffer {
  const ends = facts.ends === undefined ? undefined : endBytes(facts.ends)
  return version === 'v1' ? headerV1(ends) : headerV2(ends, facts)
}

/** Addresses of one family, in network order. */
interface EndBytes {
  readonly from: Buffer
  readonly to: Buffer
  readonly fromPort: number
  readonly toPort: number
}

/** undefined: one of them is no IP address. */
function endBytes({ source, destination }: ProxiedEnds): EndBytes | undefined {
  const from = ipBytes(source.address)
  const to = ipBytes(destination.address)
  if (from === undefined || to === undefined) return undefined
  const ports = { fromPort: source.port, toPort: destination.port }
  if (from.length === to.length) return { from, to, ...ports }
  return { from: mappedBytes(from), to: mappedBytes(to), ...ports }
}

function headerV1(ends: EndBytes | undefined): Buffer {
  if (ends === undefined) return Buffer.from('PROXY UNKNOWN\r\n')
  const { from, to, fromPort, toPort } = ends
  const family = from.length === IPV4_BYTES ? 'TCP4' : 'TCP6'
  return Buffer.from(
    `PROXY ${family} ${sameFamilyText(from)} ${sameFamilyText(to)} ${fromPort} ${toPort}\r\n`,
  )
}

/** An IPv4-mapped address stays IPv6 beside one. */
function sameFamilyText(bytes: Buffer): string {
  const text = ipText(bytes)
  return bytes.length !== IPV4_BYTES && text.includes('.') && !text.includes(':')
    ? `::ffff:${text}`
    : text
}

function headerV2(ends: EndBytes | undefined, { authority, alpn }: ProxyFacts): Buffer {
  const rest = Buffer.concat([
    ...(ends === undefined ? [] : [ends.from, ends.to, port(ends.fromPort), port(ends.toPort)]),
    ...tlv(TLV.alpn, alpn),
    ...tlv(TLV.authority, authority),
  ])
  const fixed = Buffer.alloc(4)
  fixed[0] = ends === undefined ? V2_LOCAL : V2_PROXY
  fixed[1] = ends === undefined ? UNSPECIFIED : ends.from.length === IPV4_BYTES ? TCP4 : TCP6
  fixed.writeUInt16BE(rest.length, 2)
  return Buffer.concat([V2_SIGNATURE, fixed, rest])
}

function port(number: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(number)
  return bytes
}

function tlv(type: number, value: string | undefined): readonly Buffer[] {
  if (value === undefined || value === '') return []
  const bytes = Buffer.from(value)
  const head = Buffer.alloc(TLV_HEAD_BYTES)
  head[0] = type
  head.writeUInt16BE(bytes.length, 1)
  return [head, bytes]
}
