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

/** undefined: not an authority. */
export function parseAuthority(text: string): Authority | undefined {
  const parts = SHAPE.exec(text)
  const hostText = parts?.[1]
  if (hostText === undefined) return undefined
  const host = parseHost(hostText.startsWith('[') ? hostText.slice(1, -1) : hostText)
  const port = parts?.[2] === undefined ? undefined : Number(parts[2])
  if (host.kind === 'invalid' || (port !== undefined && (port < 1 || port > 65_535)))
    return undefined
  return { text, hostText, host, port }
}
