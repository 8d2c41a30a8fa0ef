/**
 * Answers of gwproxy itself, from the outcome table (decision 14). gRPC clients get a trailers-only
 * response; everybody else one line of text that names the reason and nothing else.
 */
import { STATUS_CODES } from 'node:http'
import { outcomeRow, type Reason } from '../../model/outcome.ts'
import { Fields } from './fields.ts'

export interface LocalReply {
  readonly status: number
  readonly fields: Fields
  readonly body: Buffer
}

export function localReply(reason: Reason, grpc: boolean): LocalReply {
  const { httpStatus, grpcStatus } = outcomeRow(reason)
  if (grpc) {
    const fields = ['content-type', 'application/grpc', 'grpc-status', String(grpcStatus)]
    return {
      status: 200,
      fields: Fields.fromRaw([...fields, 'grpc-message', reason]),
      body: Buffer.alloc(0),
    }
  }
  const fields = ['Content-Type', 'text/plain; charset=utf-8']
  if (httpStatus === 405) fields.push('Allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS')
  return {
    status: httpStatus,
    fields: Fields.fromRaw(fields),
    body: Buffer.from(`${httpStatus} ${STATUS_CODES[httpStatus] ?? ''}: ${reason}\n`),
  }
}

export function redirectReply(status: number, location: string): LocalReply {
  return { status, fields: Fields.fromRaw(['Location', location]), body: Buffer.alloc(0) }
}

export function emptyReply(status: number): LocalReply {
  return { status, fields: Fields.fromRaw([]), body: Buffer.alloc(0) }
}

/** For a socket on which no request could be parsed: a whole HTTP/1.1 response. */
export function rawReply(reason: Reason): string {
  const { status, body } = localReply(reason, false)
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${body.length}`,
    'Connection: close',
  ]
  return `${lines.join('\r\n')}\r\n\r\n${body.toString('latin1')}`
}
