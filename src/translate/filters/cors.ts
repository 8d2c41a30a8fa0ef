/**
 * CORS (GEP-1767; HTTPCORSFilter of the Gateway API). Without `allowOrigins` no origin is allowed:
 * what the browser then refuses is what it would refuse without the filter.
 */
import type { Cors } from '../../api/http-filter.ts'
import type { DocumentPath } from '../../model/diagnostic.ts'
import type { OriginPattern } from '../../model/http-filter.ts'
import { type LoweredFilter, lowered, unsupported } from './lowered-filter.ts'

/** `path` is the filter's `cors`. */
export function lowerCors(cors: Cors, path: DocumentPath): LoweredFilter {
  const { allowOrigins = [], allowMethods = [], allowHeaders = [], exposeHeaders = [] } = cors
  const patterns = allowOrigins.map(patternOf)
  const bad = allowOrigins.findIndex((origin, index) => origin !== '*' && !patterns[index])
  if (bad >= 0) {
    const message = `${JSON.stringify(allowOrigins[bad])} is no origin: its port is not 1 to 65535.`
    return unsupported([...path, 'allowOrigins', bad], message)
  }
  return lowered({
    kind: 'cors',
    allowOrigins: allowOrigins.includes('*')
      ? 'any'
      : patterns.filter((pattern) => pattern !== undefined),
    allowCredentials: cors.allowCredentials === true,
    allowMethods,
    allowHeaders,
    exposeHeaders,
    maxAgeSeconds: cors.maxAge,
  })
}

/** What the schema lets through beside `*`. */
const ORIGIN = /^(https?):\/\/([^:]+)(?::([0-9]+))?$/

function patternOf(origin: string): OriginPattern | undefined {
  const [, scheme, host = '', digits] = ORIGIN.exec(origin) ?? []
  if (scheme !== 'http' && scheme !== 'https') return undefined
  const port = digits === undefined ? DEFAULT_PORTS[scheme] : Number(digits)
  if (port < 1 || port > 65_535) return undefined
  return { scheme, hostname: host === '*' ? '' : host.toLowerCase(), port }
}

const DEFAULT_PORTS = { http: 80, https: 443 } as const
