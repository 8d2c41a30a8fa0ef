/**
 * Node's TCP handles, the layer below net.Socket (performance: a stream on each side costs a third
 * of a short connection). Reached through `process.binding`, which is deprecated without a date and
 * refused under `--permission`: everything that is used of it is named here and looked for once, and
 * `self-test.ts` tries it. Owns nothing.
 */
import { type Server, Socket, type SocketConstructorOpts } from 'node:net'
import { getSystemErrorName } from 'node:util'
import { messageOf } from '../../../base/errors.ts'
import { plainAddress } from '../../../match/address.ts'

/** A TCP socket of libuv. Functions return 0 or a negative errno. */
export interface TcpHandle {
  /** -1: none, or closed. */
  readonly fd: number
  /** 0 when closed. */
  readonly bytesRead: number
  readonly bytesWritten: number
  /** `buffer` is undefined with a user buffer; how much it is, see `Native.lastRead`. */
  onread(buffer: ArrayBuffer | undefined): void
  readStart(): number
  readStop(): number
  /** From here on bytes are read to the start of `buffer`. Not to be undone; another may follow. */
  useUserBuffer(buffer: Uint8Array): void
  /** Unless it is written at once (`Native.wroteLater`), `oncomplete` of `request` will be called. */
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number
  shutdown(request: ShutdownRequest): number
  bind(address: string, port: number): number
  connect(request: ConnectRequest, address: string, port: number): number
  connect6(request: ConnectRequest, address: string, port: number): number
  getpeername(out: Partial<SocketName>): number
  getsockname(out: Partial<SocketName>): number
  setNoDelay(on: boolean): number
  setKeepAlive(on: boolean, seconds: number): number
  close(): void
  /** Closes with RST. When it fails, as it does during a shutdown, the handle can never be closed. */
  reset(): number
}

/** The handle of a net.Server. */
export interface ListeningHandle extends TcpHandle {
  onconnection(status: number, handle: TcpHandle | undefined): void
}

/** Normalised; '' and 0: it has none, since it was reset meanwhile. */
export interface SocketName {
  readonly address: string
  readonly port: number
}

/** Whom the reads of a handle are told to: `buffer` as in `TcpHandle.onread`. */
export interface HandleReader {
  onRead(buffer: ArrayBuffer | undefined): void
}

export interface Request {
  oncomplete(status: number): void
}

export interface WriteRequest extends Request {}
export interface ShutdownRequest extends Request {}
export interface ConnectRequest extends Request {}

const METHODS = [
  'readStart',
  'readStop',
  'useUserBuffer',
  'writeBuffer',
  'shutdown',
  'bind',
  'connect',
  'connect6',
  'getpeername',
  'getsockname',
  'setNoDelay',
  'setKeepAlive',
  'close',
  'reset',
] as const satisfies readonly (keyof TcpHandle)[]

/** Where `streamBaseState` has what; by name, since Node 26 has moved them. */
const SLOTS = ['kReadBytesOrError', 'kArrayBufferOffset', 'kLastWriteWasAsync'] as const

type Made<T> = new () => T

interface TcpBinding {
  readonly TCP: new (type: number) => TcpHandle
  readonly TCPConnectWrap: Made<ConnectRequest>
  readonly constants: { readonly SOCKET: number; readonly SERVER: number }
}

interface StreamBinding extends Readonly<Record<(typeof SLOTS)[number], number>> {
  readonly WriteWrap: Made<WriteRequest>
  readonly ShutdownWrap: Made<ShutdownRequest>
  readonly streamBaseState: Int32Array
}

/** UV_EOF. */
export const END_OF_FILE = -4095
/** UV_EALREADY: of `readStart`, it is being read. */
export const ALREADY = -114

/** What `state` tells is of the last call of any handle: to be read before the next one. */
export class Native {
  readonly ConnectRequest: Made<ConnectRequest>
  readonly WriteRequest: Made<WriteRequest>
  readonly ShutdownRequest: Made<ShutdownRequest>
  readonly #TCP: TcpBinding['TCP']
  readonly #constants: TcpBinding['constants']
  readonly #state: Int32Array
  readonly #readSlot: number
  readonly #offsetSlot: number
  readonly #asyncSlot: number

  constructor(tcp: TcpBinding, stream: StreamBinding) {
    this.ConnectRequest = tcp.TCPConnectWrap
    this.WriteRequest = stream.WriteWrap
    this.ShutdownRequest = stream.ShutdownWrap
    this.#TCP = tcp.TCP
    this.#constants = tcp.constants
    this.#state = stream.streamBaseState
    this.#readSlot = stream.kReadBytesOrError
    this.#offsetSlot = stream.kArrayBufferOffset
    this.#asyncSlot = stream.kLastWriteWasAsync
  }

  /** In `onread`: the number of bytes, or a negative errno (END_OF_FILE among them). */
  get lastRead(): number {
    return this.#state[this.#readSlot] as number
  }

  /** In `onread`: where in the buffer the bytes begin. */
  get lastOffset(): number {
    return this.#state[this.#offsetSlot] as number
  }

  /** After `writeBuffer`: the bytes belong to the request until it completes. */
  get wroteLater(): boolean {
    return this.#state[this.#asyncSlot] !== 0
  }

  createSocket(): TcpHandle {
    return new this.#TCP(this.#constants.SOCKET)
  }

  createServer(): TcpHandle {
    return new this.#TCP(this.#constants.SERVER)
  }
}

/** The bindings, or what of them is missing. `bindingOf` stands for `process.binding` in tests. */
export function findNative(bindingOf = processBinding): Native | string {
  try {
    const tcp = bindingOf('tcp_wrap') as Partial<TcpBinding>
    const stream = bindingOf('stream_wrap') as Partial<StreamBinding>
    const missing = missingOf(tcp, stream)
    return missing ?? new Native(tcp as TcpBinding, stream as StreamBinding)
  } catch (error) {
    return `process.binding (${messageOf(error)})`
  }
}

function missingOf(tcp: Partial<TcpBinding>, stream: Partial<StreamBinding>): string | undefined {
  const { TCP, constants } = tcp
  if (typeof TCP !== 'function') return 'tcp_wrap.TCP'
  if (typeof tcp.TCPConnectWrap !== 'function') return 'tcp_wrap.TCPConnectWrap'
  if (typeof constants?.SOCKET !== 'number') return 'tcp_wrap.constants.SOCKET'
  if (typeof constants.SERVER !== 'number') return 'tcp_wrap.constants.SERVER'
  for (const name of ['WriteWrap', 'ShutdownWrap'] as const) {
    if (typeof stream[name] !== 'function') return `stream_wrap.${name}`
  }
  if (!(stream.streamBaseState instanceof Int32Array)) return 'stream_wrap.streamBaseState'
  const slot = SLOTS.find((name) => typeof stream[name] !== 'number')
  if (slot !== undefined) return `stream_wrap.${slot}`
  const prototype: Partial<TcpHandle> = TCP.prototype
  const method = METHODS.find((name) => typeof prototype[name] !== 'function')
  return method === undefined ? undefined : `TCP.prototype.${method}`
}

function processBinding(name: string): unknown {
  const { binding } = process as { readonly binding?: (name: string) => unknown }
  if (binding === undefined) throw new Error('is gone')
  return binding.call(process, name)
}

/** undefined: it does not listen, or Node keeps its handle elsewhere. */
export function listeningHandle(server: Server): ListeningHandle | undefined {
  return (server as { readonly _handle?: ListeningHandle | null })._handle ?? undefined
}

/** What Node writes a name to: to an object that has the fields it is done in half the time. */
const asked = { address: '', family: '', port: 0 }

export function peerName(handle: TcpHandle): SocketName {
  return handle.getpeername(asked) === 0 ? takeName() : NO_NAME
}

export function localName(handle: TcpHandle): SocketName {
  return handle.getsockname(asked) === 0 ? takeName() : NO_NAME
}

const NO_NAME: SocketName = { address: '', port: 0 }

function takeName(): SocketName {
  return { address: plainAddress(asked.address), port: asked.port }
}

const READER = Symbol('reader')
/**
 * Where a handle has its reader. Node makes each with a property for its owner, as good as any: one more
 * would move the properties of every connection.
 */
const kReader: typeof READER = (ownerSymbol() ?? READER) as typeof READER

interface ReadHandle extends TcpHandle {
  [READER]?: HandleReader | null
}

function ownerSymbol(): symbol | undefined {
  const native = findNative()
  if (typeof native === 'string') return undefined
  const handle = native.createSocket()
  handle.close()
  return Object.getOwnPropertySymbols(handle).find((one) => one.description === 'owner_symbol')
}

/** From here on `reader` is told what is read. `onread` itself is a call into Node to set. */
export function readTo(handle: ReadHandle, reader: HandleReader): void {
  if (!handle[kReader]) handle.onread = onRead
  handle[kReader] = reader
}

function onRead(this: ReadHandle, buffer: ArrayBuffer | undefined): void {
  this[kReader]?.onRead(buffer)
}

/** A net.Socket on a connected handle that has default buffers, paused. Takes ownership. */
export function wrapHandle(handle: TcpHandle): Socket {
  // What net.Server does with a connection; the types know other handles only.
  const options: object = { handle, allowHalfOpen: true, pauseOnCreate: true }
  return new Socket(options as SocketConstructorOpts)
}

/**
 * By FIN, or by RST where it is connected and no shutdown is under way (`TcpHandle.reset`).
 * Idempotent. Requests that are under way complete with ECANCELED.
 */
export function closeHandle(handle: ReadHandle, how: 'fin' | 'reset'): void {
  handle[kReader] = NOBODY
  if (how === 'fin') handle.close()
  else handle.reset()
}

const NOBODY: HandleReader = { onRead: () => {} }

/** Its name, such as `ECONNRESET`. */
export function errnoName(status: number): string {
  return getSystemErrorName(status)
}
