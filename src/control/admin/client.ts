/**
 * The CLI's side of the admin interface: JSON over HTTP on a unix socket or a TCP address. One
 * request per connection; whoever does not answer is reported in words that say what to do.
 */
import { request } from 'node:http'
import { errnoOf, GwProxyError, messageOf } from '../../base/errors.ts'
import { type AdminAddress, addressText } from './address.ts'

export interface AdminClientOptions {
  /** Bearer token, when the daemon's address needs one. */
  readonly token?: string | undefined
  /** Silence after which a request is given up. A reload may take long, hence a minute. */
  readonly timeoutMs?: number
}

export interface AdminResponse {
  /** HTTP status: `/readyz` answers 503 with a body, so it is no error by itself. */
  readonly status: number
  readonly body: unknown
}

/** Above this the answer is no gwproxy's. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024

export class AdminClient {
  readonly #address: AdminAddress
  readonly #token: string | undefined
  readonly #timeoutMs: number

  constructor(address: AdminAddress, options: AdminClientOptions = {}) {
    this.#address = address
    this.#token = options.token
    this.#timeoutMs = options.timeoutMs ?? 60_000
  }

  /**
   * @throws GwProxyError GWP_ADMIN_UNREACHABLE: nobody answers; GWP_ADMIN_REFUSED: no permission,
   *   a wrong token, or an answer that is no success
   */
  async get<T>(path: string): Promise<T> {
    return successOf<T>(path, await this.send('GET', path))
  }

  /** @throws as `get` */
  async post<T>(path: string, body?: unknown): Promise<T> {
    return successOf<T>(path, await this.send('POST', path, body))
  }

  /** `body` goes as JSON. Any status is an answer; only silence and refusal throw. */
  send(method: 'GET' | 'POST', path: string, body?: unknown): Promise<AdminResponse> {
    const address = this.#address
    if (address.kind === 'off') {
      throw new GwProxyError('GWP_ADMIN_UNREACHABLE', 'the admin interface is off (--admin off)')
    }
    const target =
      address.kind === 'unix'
        ? { socketPath: address.path, host: 'localhost' }
        : { host: address.host, port: address.port }
    const authorization =
      this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }
    return new Promise((resolve, reject) => {
      const fail = (error: unknown): void => reject(unreachable(address, error))
      const outgoing = request({
        ...target,
        method,
        path,
        agent: false,
        timeout: this.#timeoutMs,
        headers: { accept: 'application/json', ...authorization },
      })
      outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')))
      outgoing.on('error', fail)
      outgoing.on('response', (incoming) => {
        const chunks: Buffer[] = []
        let bytes = 0
        incoming.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes > MAX_ANSWER_BYTES) incoming.destroy(new Error('the answer is too large'))
          else chunks.push(chunk)
        })
        incoming.on('error', fail)
        incoming.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          resolve({ status: incoming.statusCode ?? 0, body: parseBody(text) })
        })
      })
      outgoing.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }
}

function successOf<T>(path: string, { status, body }: AdminResponse): T {
  if (status >= 200 && status < 300) return body as T
  const detail =
    typeof body === 'object' && body !== null && 'error' in body ? `: ${String(body.error)}` : ''
  throw new GwProxyError('GWP_ADMIN_REFUSED', `the daemon answered ${status} to ${path}${detail}`)
}

/** JSON where it is JSON (`/metrics` is text). */
function parseBody(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function unreachable(address: AdminAddress, error: unknown): GwProxyError {
  const where = addressText(address)
  const errno = errnoOf(error)
  if (errno === 'ENOENT' || errno === 'ECONNREFUSED') {
    return new GwProxyError(
      'GWP_ADMIN_UNREACHABLE',
      `no gwproxy answers at ${where}. Start it with "gwproxy run", or name its address with --admin`,
      { cause: error },
    )
  }
  if (errno === 'EACCES' || errno === 'EPERM') {
    return new GwProxyError(
      'GWP_ADMIN_REFUSED',
      `no permission to open ${where}: run as the daemon's user or in its group`,
      { cause: error },
    )
  }
  return new GwProxyError('GWP_ADMIN_UNREACHABLE', `${where}: ${messageOf(error)}`, {
    cause: error,
  })
}
