/**
 * The messages of envoy.service.auth.v3.Authorization/Check (Envoy's external_auth.proto and
 * attribute_context.proto, base.proto and address.proto of config.core.v3): what a proxy says of a
 * request, and what it needs of the answer. Fields that mean nothing here are skipped.
 */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'

export interface CheckRequest {
  /** IP addresses; a port of 0 is unknown. */
  readonly source: CheckPeer
  readonly destination: CheckPeer
  /** Milliseconds since the epoch. */
  readonly time: number
  readonly id: string
  readonly method: string
  /** Lower-case names, each once. */
  readonly headers: ReadonlyMap<string, string>
  /** Path and query. */
  readonly path: string
  readonly host: string
  readonly scheme: string
  /** Bytes of the body; -1: unknown. */
  readonly size: number
  /** `HTTP/1.1` */
  readonly protocol: string
  /** Text, or bytes that are none; empty: not sent. */
  readonly body: string | Uint8Array
  readonly sni: string | undefined
}

export interface CheckPeer {
  readonly address: string
  readonly port: number
  /** Who the peer proved to be; '': nobody. */
  readonly principal: string
}

export interface CheckResponse {
  /** google.rpc.Code; undefined: the message has no status. */
  readonly code: number | undefined
  readonly answer: CheckAnswer | undefined
}

export type CheckAnswer = CheckOk | CheckDenial

export interface CheckOk {
  readonly kind: 'ok'
  readonly headers: readonly HeaderOption[]
  readonly headersToRemove: readonly string[]
  readonly responseHeaders: readonly HeaderOption[]
  readonly queryToSet: readonly (readonly [string, string])[]
  readonly queryToRemove: readonly string[]
}

export interface CheckDenial {
  /** `error`: the service failed by its own account. */
  readonly kind: 'denied' | 'error'
  /** undefined: not said. */
  readonly status: number | undefined
  readonly headers: readonly HeaderOption[]
  readonly body: Uint8Array
}

export interface HeaderOption {
  readonly name: string
  /** Its bytes, one for each character. */
  readonly value: string
  /** The older of two ways to say how; undefined: not said. */
  readonly append: boolean | undefined
  /** HeaderValueOption.HeaderAppendAction. */
  readonly action: number
}

export function encodeCheckRequest(request: CheckRequest): Uint8Array {
  const writer = new BinaryWriter()
  message(writer, 1, () => {
    message(writer, 1, () => writePeer(writer, request.source))
    message(writer, 2, () => writePeer(writer, request.destination))
    message(writer, 4, () => {
      message(writer, 1, () => writeTimestamp(writer, request.time))
      message(writer, 2, () => writeHttpRequest(writer, request))
    })
    const { sni } = request
    if (sni !== undefined) message(writer, 12, () => text(writer, 1, sni))
  })
  return writer.finish()
}

function writePeer(writer: BinaryWriter, { address, port, principal }: CheckPeer): void {
  message(writer, 1, () =>
    message(writer, 1, () => {
      text(writer, 2, address)
      writer.tag(3, WireType.Varint).uint32(port)
    }),
  )
  text(writer, 4, principal)
}

function writeTimestamp(writer: BinaryWriter, time: number): void {
  const seconds = Math.floor(time / 1000)
  writer.tag(1, WireType.Varint).int64(seconds)
  writer.tag(2, WireType.Varint).int32(Math.floor((time - seconds * 1000) * 1e6))
}

function writeHttpRequest(writer: BinaryWriter, request: CheckRequest): void {
  text(writer, 1, request.id)
  text(writer, 2, request.method)
  for (const [name, value] of request.headers) {
    message(writer, 3, () => {
      text(writer, 1, name)
      text(writer, 2, value)
    })
  }
  text(writer, 4, request.path)
  text(writer, 5, request.host)
  text(writer, 6, request.scheme)
  writer.tag(9, WireType.Varint).int64(request.size)
  text(writer, 10, request.protocol)
  if (typeof request.body === 'string') text(writer, 11, request.body)
  else writer.tag(12, WireType.LengthDelimited).bytes(request.body)
}

function message(writer: BinaryWriter, field: number, write: () => void): void {
  writer.tag(field, WireType.LengthDelimited).fork()
  write()
  writer.join()
}

function text(writer: BinaryWriter, field: number, value: string): void {
  if (value !== '') writer.tag(field, WireType.LengthDelimited).string(value)
}

/**
 * Throws on bytes that are no such message, and on one that answers twice: no encoder writes that,
 * and readers differ in what it means.
 */
export function decodeCheckResponse(bytes: Uint8Array): CheckResponse {
  const codes: number[] = []
  const answers: CheckAnswer[] = []
  eachField(bytes, {
    1: (reader) => codes.push(readCode(reader.bytes())),
    2: (reader) => answers.push(readDenied('denied', reader.bytes())),
    3: (reader) => answers.push(readOk(reader.bytes())),
    5: (reader) => answers.push(readDenied('error', reader.bytes())),
  })
  if (codes.length > 1 || answers.length > 1) throw new Error('more than one answer')
  return { code: codes[0], answer: answers[0] }
}

function readCode(bytes: Uint8Array): number {
  let code = 0
  eachField(
    bytes,
    {},
    {
      1: (reader) => {
        code = reader.int32()
      },
    },
  )
  return code
}

function readOk(bytes: Uint8Array): CheckAnswer {
  const headers: HeaderOption[] = []
  const headersToRemove: string[] = []
  const responseHeaders: HeaderOption[] = []
  const queryToSet: (readonly [string, string])[] = []
  const queryToRemove: string[] = []
  eachField(bytes, {
    2: (reader) => headers.push(readHeaderOption(reader.bytes())),
    5: (reader) => headersToRemove.push(reader.string()),
    6: (reader) => responseHeaders.push(readHeaderOption(reader.bytes())),
    7: (reader) => queryToSet.push(readQueryParameter(reader.bytes())),
    8: (reader) => queryToRemove.push(reader.string()),
  })
  return { kind: 'ok', headers, headersToRemove, responseHeaders, queryToSet, queryToRemove }
}

function readDenied(kind: 'denied' | 'error', bytes: Uint8Array): CheckAnswer {
  const headers: HeaderOption[] = []
  let status: number | undefined
  let body: Uint8Array = new Uint8Array()
  eachField(bytes, {
    1: (reader) => eachField(reader.bytes(), {}, { 1: (own) => (status = own.int32()) }),
    2: (reader) => headers.push(readHeaderOption(reader.bytes())),
    3: (reader) => (body = reader.bytes()),
  })
  return { kind, status, headers, body }
}

function readHeaderOption(bytes: Uint8Array): HeaderOption {
  let name = ''
  let value = ''
  let append: boolean | undefined
  let action = 0
  eachField(
    bytes,
    {
      1: (reader) =>
        eachField(reader.bytes(), {
          1: (header) => (name = header.string()),
          2: (header) => (value = latin1(header.bytes()) || value),
          // The same in bytes that need be no text; only one of the two is set.
          3: (header) => (value = latin1(header.bytes()) || value),
        }),
      2: (reader) => {
        append ??= false
        eachField(reader.bytes(), {}, { 1: (flag) => (append = flag.bool()) })
      },
    },
    { 3: (reader) => (action = reader.int32()) },
  )
  return { name, value, append, action }
}

function readQueryParameter(bytes: Uint8Array): readonly [string, string] {
  let key = ''
  let value = ''
  eachField(bytes, {
    1: (reader) => (key = reader.string()),
    2: (reader) => (value = reader.string()),
  })
  return [key, value]
}

type Readers = Readonly<Record<number, (reader: BinaryReader) => unknown>>

/** Each known field by its number, which must have the wire type of its list; others are skipped. */
function eachField(bytes: Uint8Array, lengthDelimited: Readers, varint: Readers = {}): void {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    const read = lengthDelimited[field] ?? varint[field]
    const wanted = field in lengthDelimited ? WireType.LengthDelimited : WireType.Varint
    if (read === undefined) reader.skip(type, field)
    else if (type === wanted) read(reader)
    else throw new Error(`field ${field} of another type`)
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}
