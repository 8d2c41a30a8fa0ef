/**
 * The handles below Node's HTTP/2 streams: nghttp2 with Node's own limits, without a Duplex for each
 * stream (ADR 13). They are reached through symbols of node:http2 that nothing documents: what is used
 * of them is named here and looked for once, and `self-test.ts` tries it.
 */
import type { Http2Session, ServerHttp2Stream } from 'node:http2'
import { types } from 'node:util'
import type { StreamTable } from './handle-stream-table.ts'
import { messageOf } from '../../../base/errors.ts'

/** Names and values with NULs and a byte of flags between, latin1; and how many fields there are. */
export type HeaderBlock = readonly [text: string, count: number]

/** A stream of nghttp2. Functions return 0 or a negative error code. */
export interface StreamHandle {
  /** Whoever `onread` reads for. */
  owner: unknown
  onread(buffer: ArrayBuffer | undefined): void
  id(): number
  readStart(): number
  readStop(): number
  /** `oncomplete` of `request` is called once the bytes were written to the socket. */
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number
  shutdown(request: object): number
  respond(block: HeaderBlock, options: number): number
  info(block: HeaderBlock): number
  trailers(block: HeaderBlock): number
  rstStream(code: number): void
  destroy(): void
}

export interface WriteRequest {
  oncomplete(status: number): void
}

export interface SessionHandle {
  /** A number is an error of nghttp2. The last three: a priority, which Node before 24 reads. */
  request(
    block: HeaderBlock,
    options: number,
    parent: number,
    weight: number,
    exclusive: boolean,
  ): StreamHandle | number
}

/** What Node's session knows of its streams. */
export interface SessionState {
  /** Node's Map, or a StreamTable. */
  streams: Pick<StreamTable, 'set' | 'delete' | 'size'>
  readonly goawayCode: number | null
  readonly destroyCode: number
}

/** UV_EOF. */
export const END_OF_FILE = -4095
/** Of `respond` and `request`: the head is all. */
export const EMPTY_PAYLOAD = 1
/** Of `respond`: Node asks for trailers when the body was sent. */
export const GET_TRAILERS = 2

const STREAM_METHODS = [
  'id',
  'readStart',
  'readStop',
  'writeBuffer',
  'shutdown',
  'respond',
  'info',
  'trailers',
  'rstStream',
  'destroy',
] as const satisfies readonly (keyof StreamHandle)[]

const SLOTS = ['kReadBytesOrError', 'kArrayBufferOffset', 'kLastWriteWasAsync'] as const

interface StreamBinding extends Readonly<Record<(typeof SLOTS)[number], number>> {
  readonly WriteWrap: new () => WriteRequest
  readonly ShutdownWrap: new () => object
  readonly streamBaseState: Int32Array
}

export type BindingOf = (name: string) => unknown
type Keyed = Readonly<Record<symbol, unknown>>
type Constructor = new (...args: never[]) => object

/** Symbols of Node's streams, by the names of the constants that hold them there. */
export interface StreamSymbols {
  readonly kInit: symbol
  readonly kState: symbol
  readonly kSession: symbol
  readonly kUpdateTimer: symbol
  readonly kProtocol: symbol
  readonly kAuthority: symbol
}

export class Internals {
  readonly WriteRequest: new () => WriteRequest
  readonly ShutdownRequest: new () => object
  readonly symbols: StreamSymbols
  /** Node's class of a server's streams; its base is chosen when a stream is made. */
  readonly ServerStream: Constructor
  readonly #binding: StreamBinding
  readonly #kHandle: symbol
  readonly #kOwner: symbol
  readonly #kMaybeDestroy: symbol

  /** `stream`: one of Node's own, alive. Throws with what is missing. */
  constructor(stream: ServerHttp2Stream, bindingOf: BindingOf = processBinding) {
    const session = stream.session
    if (session === undefined) throw new Error('a stream without session')
    const binding = bindingOf('stream_wrap') as Partial<StreamBinding>
    for (const name of ['WriteWrap', 'ShutdownWrap'] as const) {
      if (typeof binding[name] !== 'function') throw new Error(`stream_wrap.${name}`)
    }
    if (!(binding.streamBaseState instanceof Int32Array)) throw new Error('streamBaseState')
    const slot = SLOTS.find((name) => typeof binding[name] !== 'number')
    if (slot !== undefined) throw new Error(`stream_wrap.${slot}`)
    this.#binding = binding as StreamBinding
    this.WriteRequest = this.#binding.WriteWrap
    this.ShutdownRequest = this.#binding.ShutdownWrap
    this.symbols = {
      kInit: symbolOf(stream, 'init'),
      kState: symbolOf(stream, 'state'),
      kSession: symbolOf(stream, 'kSession'),
      kUpdateTimer: symbolOf(stream, 'kUpdateTimer'),
      kProtocol: symbolOf(stream, 'protocol'),
      kAuthority: symbolOf(stream, 'authority'),
    }
    this.#kHandle = symbolOf(session, 'kHandle')
    this.#kMaybeDestroy = symbolOf(session, 'kMaybeDestroy')
    const handle = keyed(stream)[symbolOf(stream, 'kHandle')] as Partial<StreamHandle>
    const method = STREAM_METHODS.find((name) => typeof handle[name] !== 'function')
    if (method !== undefined) throw new Error(`Http2Stream.${method}`)
    this.#kOwner = ownerSymbol(handle, stream)
    if (!types.isMap(this.stateOf(session)?.streams)) throw new Error('streams of a session')
    this.ServerStream = stream.constructor as Constructor
  }

  get lastRead(): number {
    return this.#binding.streamBaseState[this.#binding.kReadBytesOrError] as number
  }

  get lastOffset(): number {
    return this.#binding.streamBaseState[this.#binding.kArrayBufferOffset] as number
  }

  get wroteLater(): boolean {
    return this.#binding.streamBaseState[this.#binding.kLastWriteWasAsync] !== 0
  }

  stateOf(session: Http2Session): SessionState {
    return keyed(session)[this.symbols.kState] as SessionState
  }

  /** undefined: the session is over. */
  handleOf(session: Http2Session): SessionHandle | undefined {
    return keyed(session)[this.#kHandle] as SessionHandle | undefined
  }

  /** Node's callbacks for the handle find `owner`. */
  own(handle: StreamHandle, owner: object): void {
    handle.owner = owner
    ;(handle as unknown as Record<symbol, unknown>)[this.#kOwner] = owner
  }

  /** The session's idle time begins anew. */
  touch(session: Http2Session): void {
    const update = keyed(session)[this.symbols.kUpdateTimer] as () => void
    update.call(session)
  }

  /** A session that was closed ends with its last stream. */
  settle(session: Http2Session): void {
    const maybeDestroy = keyed(session)[this.#kMaybeDestroy] as () => void
    maybeDestroy.call(session)
  }
}

function keyed(object: object): Keyed {
  return object as Keyed
}

/** The symbol of an object or its prototypes; throws when there is none. */
function symbolOf(object: object, description: string): symbol {
  for (
    let holder: object | null = object;
    holder !== null;
    holder = Object.getPrototypeOf(holder)
  ) {
    const found = Object.getOwnPropertySymbols(holder).find(
      (one) => one.description === description,
    )
    if (found !== undefined) return found
  }
  throw new Error(`Symbol(${description})`)
}

function ownerSymbol(handle: object, owner: object): symbol {
  const symbols = Object.getOwnPropertySymbols(handle)
  const found = symbols.find((one) => keyed(handle)[one] === owner)
  if (found === undefined) throw new Error('owner of a handle')
  return found
}

function processBinding(name: string): unknown {
  const { binding } = process as { readonly binding?: (name: string) => unknown }
  if (binding === undefined) throw new Error('process.binding is gone')
  try {
    return binding.call(process, name)
  } catch (error) {
    throw new Error(`process.binding (${messageOf(error)})`, { cause: error })
  }
}
