/**
 * External auth over gRPC (GEP-1494, `protocol: GRPC`): one Check call of Envoy's ext_authz protocol.
 * Status OK allows the request; what cannot be read, or says too little, is no answer.
 */
import { isUtf8 } from 'node:buffer'
import { Readable } from 'node:stream'
import type { AuthService } from '../../../model/http-filter.ts'
import { messageOf } from '../../../base/errors.ts'
import type { HttpDownstream } from '../contract.ts'
import { Fields } from '../fields.ts'
import type { Outgoing } from '../forward.ts'
import type { BodyFraming, RequestHead } from '../normalize.ts'
import { RequestBody } from '../request-body.ts'
import type { AuthAnswer } from './call.ts'
import {
  type CheckDenial,
  type CheckOk,
  type CheckRequest,
  type CheckResponse,
  decodeCheckResponse,
  encodeCheckRequest,
  type HeaderOption,
} from './check.ts'
import type { AuthRequest } from './request.ts'
import { type FieldEdit, isFit, type Permission, type Verdict } from './verdict.ts'

export type GrpcAuthService = Extract<AuthService, { kind: 'grpc' }>

/** Flag byte and length (gRPC over HTTP/2, "Length-Prefixed-Message"). */
const PREFIX_BYTES = 5

/** `timeoutMs`: what the service is told of our patience. */
export function grpcQuestion(
  service: GrpcAuthService,
  request: AuthRequest,
  downstream: HttpDownstream,
  body: RequestBody | undefined,
  timeoutMs: number,
): Outgoing {
  const message = encodeCheckRequest(checkRequestOf(service, request, downstream, body?.replay))
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix.writeUInt32BE(message.length, 1)
  const whole = Buffer.concat([prefix, message])
  return {
    method: 'POST',
    target: '/envoy.service.auth.v3.Authorization/Check',
    host: service.authority,
    fields: [
      ...['content-type', 'application/grpc', 'te', 'trailers'],
      ...['grpc-timeout', `${timeoutMs}m`, 'user-agent', 'gwproxy'],
    ],
    body: new RequestBody(new Whole(whole)),
    contentLength: whole.length,
    websocket: false,
  }
}

function checkRequestOf(
  { requestHeaders }: GrpcAuthService,
  { head, client, requestId = '', startTime }: AuthRequest,
  { ends: { source, destination }, sni, tls }: HttpDownstream,
  body: Buffer | undefined,
): CheckRequest {
  const certificate = tls?.clientCertificate
  return {
    source: {
      address: client ?? source.address,
      port: (client ?? source.address) === source.address ? source.port : 0,
      principal: certificate?.verified ? certificate.subject : '',
    },
    destination: { ...destination, principal: '' },
    time: startTime,
    id: requestId,
    method: head.method,
    headers: headersOf(head, requestHeaders),
    path: head.target,
    host: head.authority.text,
    scheme: head.scheme,
    size: body?.length ?? sizeOf(head.body),
    protocol: head.protocol,
    body: body === undefined ? '' : isUtf8(body) ? body.toString() : body,
    sni,
  }
}

function sizeOf(body: BodyFraming): number {
  switch (body.kind) {
    case 'none':
      return 0
    case 'length':
      return body.bytes
    case 'stream':
      return -1
  }
}

/** As Envoy, with HTTP/2's pseudo-fields among all. Protobuf's strings are UTF-8, fields are bytes. */
function headersOf(
  { fields, method, target, scheme, authority }: RequestHead,
  listed: 'all' | readonly string[],
): ReadonlyMap<string, string> {
  const keys = listed === 'all' ? fields.keys() : listed
  const headers = new Map<string, string>()
  if (listed === 'all') {
    headers.set(':method', method).set(':path', target)
    headers.set(':scheme', scheme).set(':authority', authority.text)
  }
  for (const key of keys) {
    const value = fields.get(key)
    if (value !== undefined) headers.set(key, Buffer.from(value, 'latin1').toString())
  }
  return headers
}

export function grpcVerdict({ status, rawFields, rawTrailers, body }: AuthAnswer): Verdict {
  const fields = Fields.fromRaw(rawFields)
  if (status !== 200) return failed(`answered ${status}`)
  const trailers = Fields.fromRaw(rawTrailers)
  const code = trailers.get('grpc-status') ?? fields.get('grpc-status')
  if (code !== '0') return failed(`grpc-status ${/^[0-9]{1,3}$/.exec(code ?? '')?.[0] ?? 'absent'}`)
  const length = body.length < PREFIX_BYTES ? -1 : body.readUInt32BE(1)
  if (body[0] !== 0 || length !== body.length - PREFIX_BYTES) return failed('not one plain message')
  try {
    return verdictOf(decodeCheckResponse(body.subarray(PREFIX_BYTES)))
  } catch (error) {
    return failed(`no CheckResponse: ${messageOf(error)}`)
  }
}

function verdictOf({ code, answer }: CheckResponse): Verdict {
  if (answer !== undefined && answer.kind !== 'ok') {
    return answer.kind === 'error' ? failed('error_response') : deniedBy(answer)
  }
  if (code === undefined && answer === undefined) return failed('an empty CheckResponse')
  if (code !== undefined && code !== 0) return deniedBy(undefined)
  const permission = answer === undefined ? NOTHING : permissionOf(answer)
  const isSound = [...permission.request, ...permission.response].every(isFit)
  return isSound ? { kind: 'allowed', permission } : failed('a header that cannot be set')
}

const NOTHING: Permission = { request: [], response: [], query: { set: [], remove: [] } }

function permissionOf(ok: CheckOk): Permission {
  const removed = ok.headersToRemove.map((name) => ({ action: 'remove', name, value: '' }) as const)
  return {
    // Removals last, as Envoy.
    request: [...ok.headers.map((option) => editOf(option, 'overwrite')), ...removed],
    response: ok.responseHeaders.map((option) => editOf(option, 'add')),
    query: { set: ok.queryToSet, remove: ok.queryToRemove },
  }
}

const ACTIONS = ['add', 'add-if-absent', 'overwrite', 'overwrite-if-present'] as const

/** `byDefault`: where Envoy's two sides differ when the service says nothing. */
function editOf(option: HeaderOption, byDefault: 'add' | 'overwrite'): FieldEdit {
  const { name, value, append, action } = option
  if (append !== undefined) return { action: append ? 'add' : 'overwrite', name, value }
  return { action: action === 0 ? byDefault : (ACTIONS[action] ?? byDefault), name, value }
}

/** Without words of its own: 403. */
function deniedBy(denied: CheckDenial | undefined): Verdict {
  const fields = Fields.fromRaw([])
  for (const { name, value } of denied?.headers ?? []) {
    const edit = { action: 'add', name, value } as const
    if (!isFit(edit)) return failed('a header that cannot be sent')
    fields.add(name, value)
  }
  const status = denied?.status ?? 0
  const isStatus = status >= 200 && status <= 599
  const body = Buffer.from(denied?.body ?? [])
  return { kind: 'denied', reply: { status: isStatus ? status : 403, fields, body } }
}

function failed(detail: string): Verdict {
  return { kind: 'failed', detail }
}

/** A body of our own making, in one piece. */
class Whole extends Readable {
  readonly aborted = false
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    super()
    this.#bytes = bytes
  }

  override _read(): void {
    this.push(this.#bytes)
    this.push(null)
  }
}
