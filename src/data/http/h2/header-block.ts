/** Fields as nghttp2's handles take them, checked as node:http2 does (RFC 9113 section 8.2). */
import { TEXT } from '../../../wire/http1/chars.ts'
import { isToken } from '../fields.ts'
import type { HeaderBlock } from './internals.ts'

/** Between name and value, and behind it; the flags: it may be indexed. */
const BETWEEN = '\0'
const BEHIND = '\0\0'

const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

/** Names that were found to be good, so that each is looked at once; bounded. */
const GOOD = new Set<string>()
const MAX_GOOD = 1024

/** `raw`: flat, lower-case names, pseudo-fields first. Throws on what no head can hold. */
export function headerBlock(raw: readonly string[]): HeaderBlock {
  let text = ''
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string
    const value = raw[i + 1] as string
    if (!GOOD.has(name)) judge(name)
    if (name === 'te' && value !== 'trailers') throw new TypeError('TE over HTTP/2')
    if (!isText(value)) throw new TypeError('a field that cannot be sent')
    text += name + BETWEEN + value + BEHIND
  }
  return [text, raw.length >> 1]
}

function judge(name: string): void {
  if (CONNECTION_SPECIFIC.has(name)) throw new TypeError(`${name} over HTTP/2`)
  if (!isToken(name.startsWith(':') ? name.slice(1) : name)) throw new TypeError('a field name')
  if (GOOD.size < MAX_GOOD) GOOD.add(name)
}

function isText(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    if (TEXT[value.charCodeAt(i)] !== 1) return false
  }
  return true
}
