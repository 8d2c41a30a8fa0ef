/** External auth over HTTP for tests: a service that records what it is asked, and what it guards. */
import http from 'node:http'
import { startOrigin } from './http-origin.ts'
import { type ProxyOptions, startProxy, type TestAuth, type TestRule } from './http-proxy.ts'

export interface AskedOverHttp {
  readonly line: string
  /** As they came: names and values in turn. */
  readonly raw: readonly string[]
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

export type HttpDecision = (asked: AskedOverHttp, response: http.ServerResponse) => void

/** `decide` answers once the whole question was read. */
export async function startHttpAuth(decide: HttpDecision = allow) {
  const asked: AskedOverHttp[] = []
  const origin = await startOrigin((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('error', () => {})
    request.on('end', () => {
      const { method, url, headers, rawHeaders } = request
      const body = Buffer.concat(chunks)
      const question = { line: `${method} ${url}`, raw: rawHeaders, headers, body }
      asked.push(question)
      decide(question, response)
    })
  })
  return { ...origin, asked }
}

export function allow(_asked: AskedOverHttp, response: http.ServerResponse): void {
  response.end()
}

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

export interface Sent {
  readonly method?: string
  readonly path?: string
  readonly headers?: http.OutgoingHttpHeaders
  readonly body?: Uint8Array | string
}

/** One request on a connection of its own. */
export async function ask(port: number, sent: Sent = {}): Promise<Answer> {
  const { method = sent.body === undefined ? 'GET' : 'POST', path = '/', headers, body } = sent
  const request = http.request({
    port,
    host: '127.0.0.1',
    path,
    method,
    agent: false,
    headers: { host: 'a.test', ...headers },
  })
  request.end(body)
  return new Promise((resolve, reject) => {
    request.on('error', reject)
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('error', reject)
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text })
      })
    })
  })
}

export interface Echo {
  readonly line: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

/** A backend that answers with what it got, and counts. */
export async function startEcho() {
  const lines: string[] = []
  const origin = await startOrigin((request, response) => {
    const chunks: Buffer[] = []
    const { method, url, headers } = request
    const line = `${method} ${url}`
    lines.push(line)
    request.on('error', () => {})
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      response.setHeader('X-Kept', 'backend')
      response.end(
        JSON.stringify({ line, headers, body: Buffer.concat(chunks).toString('latin1') }),
      )
    })
  })
  return { ...origin, lines }
}

export function echoOf({ body }: Answer): Echo {
  return JSON.parse(body) as Echo
}

/** One rule before a backend, guarded by one service. */
export function startGuarded(
  backendPort: number,
  auth: TestAuth,
  rule: TestRule = {},
  options: Partial<ProxyOptions> = {},
) {
  const rules = [{ ports: [backendPort], auth: [auth], ...rule }]
  return startProxy({ listeners: [{ hostname: '', rules }], ...options })
}
