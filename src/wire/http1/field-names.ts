/**
 * Names of fields that most messages have. They are found, not made: equal names are then one string,
 * whose comparison and look-up cost next to nothing.
 */

export const COMMON_NAMES: readonly string[] = [
  'Accept',
  'Accept-Charset',
  'Accept-Encoding',
  'Accept-Language',
  'Accept-Ranges',
  'Access-Control-Allow-Origin',
  'Age',
  'Allow',
  'Alt-Svc',
  'Authorization',
  'Cache-Control',
  'Connection',
  'Content-Disposition',
  'Content-Encoding',
  'Content-Language',
  'Content-Length',
  'Content-Location',
  'Content-Range',
  'Content-Security-Policy',
  'Content-Type',
  'Cookie',
  'Date',
  'ETag',
  'Expect',
  'Expires',
  'Forwarded',
  'Grpc-Accept-Encoding',
  'Grpc-Encoding',
  'Grpc-Message',
  'Grpc-Status',
  'Grpc-Timeout',
  'Host',
  'If-Match',
  'If-Modified-Since',
  'If-None-Match',
  'If-Range',
  'If-Unmodified-Since',
  'Keep-Alive',
  'Last-Modified',
  'Link',
  'Location',
  'Origin',
  'Pragma',
  'Priority',
  'Proxy-Connection',
  'Range',
  'Referer',
  'Referrer-Policy',
  'Retry-After',
  'Sec-CH-UA',
  'Sec-CH-UA-Mobile',
  'Sec-CH-UA-Platform',
  'Sec-Fetch-Dest',
  'Sec-Fetch-Mode',
  'Sec-Fetch-Site',
  'Sec-Fetch-User',
  'Sec-WebSocket-Accept',
  'Sec-WebSocket-Key',
  'Sec-WebSocket-Version',
  'Server',
  'Set-Cookie',
  'Strict-Transport-Security',
  'TE',
  'Traceparent',
  'Tracestate',
  'Trailer',
  'Transfer-Encoding',
  'Upgrade',
  'Upgrade-Insecure-Requests',
  'User-Agent',
  'Vary',
  'Via',
  'WWW-Authenticate',
  'X-Content-Type-Options',
  'X-Forwarded-Client-Cert',
  'X-Forwarded-For',
  'X-Forwarded-Host',
  'X-Forwarded-Port',
  'X-Forwarded-Proto',
  'X-Frame-Options',
  'X-Powered-By',
  'X-Real-IP',
  'X-Request-Id',
  'X-Requested-With',
]

/** Longer ones are not looked for. */
const MAX_LENGTH = Math.max(...COMMON_NAMES.map((name) => name.length))

/** As written above and in lower case, by `placeOf`. */
const PLACES: (readonly string[] | undefined)[] = []
for (const name of COMMON_NAMES.flatMap((common) => [common, common.toLowerCase()])) {
  const bytes = Buffer.from(name, 'latin1')
  const place = placeOf(bytes, 0, bytes.length)
  PLACES[place] = [...new Set([...(PLACES[place] ?? []), name])]
}

/** The name that stands in `bytes`; undefined: it is none of the common ones, in either spelling. */
export function commonName(bytes: Uint8Array, from: number, to: number): string | undefined {
  const length = to - from
  if (length === 0 || length > MAX_LENGTH) return undefined
  const names = PLACES[placeOf(bytes, from, to)]
  if (names === undefined) return undefined
  for (const name of names) {
    let at = 0
    while (at < length && name.charCodeAt(at) === bytes[from + at]) at += 1
    if (at === length) return name
  }
  return undefined
}

/** Of names with the same length and ends, in whichever case, there are few. */
function placeOf(bytes: Uint8Array, from: number, to: number): number {
  const first = (bytes[from] as number) & 31
  const last = (bytes[to - 1] as number) & 31
  return ((to - from) << 10) | (first << 5) | last
}
