/** One HTTP/2 request by Node's client, read to whatever end it has. */
import { once } from 'node:events'
import http2 from 'node:http2'

export interface H2Answer {
  readonly status: number
  readonly headers: http2.IncomingHttpHeaders
  readonly body: Buffer
  readonly trailers: http2.IncomingHttpHeaders | undefined
  /** 0: a clean end. */
  readonly rstCode: number
}

export async function connectH2(origin: string): Promise<http2.ClientHttp2Session> {
  const session = http2.connect(origin, { rejectUnauthorized: false })
  session.on('error', () => {})
  await once(session, 'connect')
  return session
}

export async function h2Request(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body?: Uint8Array,
): Promise<H2Answer> {
  const stream = session.request(headers, { endStream: body === undefined })
  let status = 0
  let fields: http2.IncomingHttpHeaders = {}
  let trailers: http2.IncomingHttpHeaders | undefined
  const chunks: Buffer[] = []
  stream.on('response', (received) => {
    status = Number(received[':status'])
    fields = received
  })
  stream.on('trailers', (received) => {
    trailers = received
  })
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.on('error', () => {})
  if (body !== undefined) stream.end(body)
  // `once` would reject with the error of a reset.
  await new Promise((resolve) => stream.once('close', resolve))
  return {
    status,
    headers: fields,
    body: Buffer.concat(chunks),
    trailers,
    rstCode: stream.rstCode ?? 0,
  }
}
