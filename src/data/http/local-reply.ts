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

/** Somebody else's refusal as a gRPC client can read it: its status by gRPC's own table, no content. */
export function grpcRefusal({ status, fields }: LocalReply): LocalReply {
  fields.removeWhere((key) => key.startsWith('content-') || key.startsWith('grpc-'))
  fields.set('content-type', 'application/grpc')
  fields.set('grpc-status', String(GRPC_STATUS_OF.get(status) ?? 2))
  fields.set('grpc-message', 'auth-denied')
  return { status: 200, fields, body: Buffer.alloc(0) }
}

/** "HTTP to gRPC Status Code Mapping" of the gRPC documentation; UNKNOWN for all others. */
const GRPC_STATUS_OF: ReadonlyMap<number, number> = new Map([
  [400, 13],
  [401, 16],
  [403, 7],
  [404, 12],
  [429, 14],
  [502, 14],
  [503, 14],
  [504, 14],
])

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
