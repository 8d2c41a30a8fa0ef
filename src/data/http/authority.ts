/**
 * `host[:port]` of a request (RFC 3986 section 3.2, RFC 9110 section 7.2): no user information, a
 * decimal port, a host that the one name parser accepts.
 */
import { type HostForm, parseHost } from '../../match/hostname.ts'

export interface Authority {
  /** As sent; goes on unmodified. */
  readonly text: string
  /** Without port; an IPv6 address keeps its brackets. For redirects. */
  readonly hostText: string
  readonly host: Exclude<HostForm, { kind: 'invalid' }>
  readonly port: number | undefined
}

const SHAPE = /^(\[[0-9A-Fa-f:.]+\]|[^:@[\]/?#]+)(?::([0-9]{1,5}))?$/

/** Clients ask for the same few again and again; full of what strangers make up, it begins anew. */
const MAX_KNOWN = 512
const KNOWN = new Map<string, Authority>()

/** undefined: not an authority. */
export function parseAuthority(text: string): Authority | undefined {
  const known = KNOWN.get(text)
  if (known !== undefined) return known
  // A copy: a piece of a head would keep the whole.
  const authority = parse(Buffer.from(text, 'latin1').toString('latin1'))
  if (authority === undefined) return undefined
  if (KNOWN.size >= MAX_KNOWN) KNOWN.clear()
  KNOWN.set(authority.text, authority)
  return authority
}

function parse(text: string): Authority | undefined {
  const parts = SHAPE.exec(text)
  const hostText = parts?.[1]
  if (hostText === undefined) return undefined
  const host = parseHost(hostText.startsWith('[') ? hostText.slice(1, -1) : hostText)
  const port = parts?.[2] === undefined ? undefined : Number(parts[2])
  if (host.kind === 'invalid' || (port !== undefined && (port < 1 || port > 65_535)))
    return undefined
  return { text, hostText, host, port }
}
