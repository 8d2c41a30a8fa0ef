/**
 * A small HTTP server for operators: a fixed table of paths, JSON answers, small request bodies.
 * Refuses what a browser could be tricked into (security guide 2.9): a foreign Host (DNS
 * rebinding), any Origin (no CORS; a page's own GETs have none), and on open addresses everything
 * without the token.
 */
import { timingSafeEqual } from 'node:crypto'
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { type ErrorCode, GwProxyError, messageOf } from '../../base/errors.ts'
import type { AdminError } from './contract.ts'

export interface Answer {
  readonly status: number
  readonly contentType:
    | 'application/json'
    | 'image/svg+xml'
    | `text/${'css' | 'html' | 'javascript'}; charset=utf-8`
    | 'text/plain; version=0.0.4; charset=utf-8'
  readonly body: string
}

export type Endpoint =
  | {
      readonly method: 'GET' | 'POST'
      readonly answer: () => Answer | Promise<Answer>
      /** The same for everybody, hence without the token as well. */
      readonly isPublic?: true
    }
  /** The answer depends on what was asked for. */
  | { readonly method: 'GET'; readonly answerFor: (query: URLSearchParams) => Answer }
  /** The answer depends on what was sent. */
  | { readonly method: 'POST'; readonly answerTo: (body: string) => Promise<Answer> }

/** Of a body: the longest head that a request may have fits twice. */
const MAX_BODY_BYTES = 128 * 1024

export type Endpoints = Readonly<Record<string, Endpoint>>

export interface AccessRules {
  /** Host header names that are accepted, without port; undefined: any. */
  readonly hosts: ReadonlySet<string> | undefined
  readonly token: string | undefined
}

export function json(status: number, value: unknown): Answer {
  return { status, contentType: 'application/json', body: `${JSON.stringify(value)}\n` }
}

/** Not listening yet. */
export function createHttpListener(endpoints: Endpoints, rules: AccessRules): Server {
  const listener: RequestListener = (request, response) => {
    request.on('error', () => undefined)
    response.on('error', () => undefined)
    // What no endpoint asks for is read and dropped within requestTimeout.
    request.resume()
    void answerTo(request, endpoints, rules).then((answer) => write(request, response, answer))
  }
  const server = createServer(
    {
      maxHeaderSize: 8192,
      headersTimeout: 5000,
      requestTimeout: 10_000,
      keepAliveTimeout: 5000,
      connectionsCheckingInterval: 1000,
    },
    listener,
  )
  server.maxConnections = 256
  // Whoever opens it hears of a failure to listen; later ones are failed accepts (no descriptors).
  server.on('error', () => undefined)
  return server
}

async function answerTo(
  request: IncomingMessage,
  endpoints: Endpoints,
  rules: AccessRules,
): Promise<Answer> {
  const [path = '', query] = (request.url ?? '').split('?', 2)
  const endpoint = Object.hasOwn(endpoints, path) ? endpoints[path] : undefined
  const refusal = refusalOf(request, rules, endpoint)
  if (refusal !== undefined) return refusal
  if (endpoint === undefined) return refuse(404, `there is no ${path}`)
  if (!isMethod(request.method, endpoint)) {
    return refuse(405, `${path} takes ${endpoint.method}`)
  }
  try {
    if ('answer' in endpoint) return await endpoint.answer()
    if ('answerFor' in endpoint) return endpoint.answerFor(new URLSearchParams(query))
    const body = await bodyOf(request)
    if (body === undefined) return refuse(413, `more than ${MAX_BODY_BYTES} bytes`)
    return await endpoint.answerTo(body)
  } catch (error) {
    return refuse(500, messageOf(error), error instanceof GwProxyError ? error.code : undefined)
  }
}

/** undefined: too long. Call it in the tick in which the request came: it is flowing. */
function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= MAX_BODY_BYTES) chunks.push(chunk)
      else resolve(undefined)
    })
    request.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')))
    request.on('error', reject)
  })
}

function refusalOf(
  request: IncomingMessage,
  rules: AccessRules,
  endpoint: Endpoint | undefined,
): Answer | undefined {
  if (request.headers.origin !== undefined) {
    return refuse(403, 'requests from web pages are refused')
  }
  if (rules.hosts !== undefined && !rules.hosts.has(hostName(request.headers.host ?? ''))) {
    return refuse(403, 'the Host header names another server')
  }
  if (endpoint !== undefined && 'isPublic' in endpoint) return undefined
  if (rules.token !== undefined && !isToken(request.headers.authorization, rules.token)) {
    return refuse(401, 'an Authorization: Bearer token is needed (GWPROXY_ADMIN_TOKEN)')
  }
  return undefined
}

export function refuse(status: number, error: string, code?: ErrorCode): Answer {
  const body: AdminError = code === undefined ? { error } : { error, code }
  return json(status, body)
}

/** `[::1]:9464` -> `::1`. */
function hostName(host: string): string {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::[0-9]*)?$/.exec(host)
  return (match?.[1] ?? match?.[2] ?? '').toLowerCase()
}

function isToken(authorization: string | undefined, token: string): boolean {
  const given = Buffer.from(authorization ?? '')
  const wanted = Buffer.from(`Bearer ${token}`)
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}

function isMethod(method: string | undefined, endpoint: Endpoint): boolean {
  return method === endpoint.method || (method === 'HEAD' && endpoint.method === 'GET')
}

/** For the page, and harmless for all else: only files of ours, nothing framed, no HTML from text. */
const FOR_BROWSERS = {
  'content-security-policy': [
    "default-src 'none'",
    ...['connect-src', 'img-src', 'script-src', 'style-src'].map((kind) => `${kind} 'self'`),
    ...['base-uri', 'form-action', 'frame-ancestors'].map((kind) => `${kind} 'none'`),
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const

function write(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, {
    'content-type': answer.contentType,
    'content-length': Buffer.byteLength(answer.body),
    'cache-control': 'no-store',
    ...FOR_BROWSERS,
  })
  response.end(request.method === 'HEAD' ? undefined : answer.body)
}
