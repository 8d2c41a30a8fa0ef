/**
 * Sockets that systemd passes (sd_listen_fds(3)): they are used instead of binding, found by the
 * address and port that they are bound to, else by the name of a listener. One whose listener leaves
 * is kept for a later one: only systemd can make it anew. Owns these descriptors until the drain.
 */
import { isIPv4 } from 'node:net'
import { type NativeUdpHandle, openUdp } from '../ipc/datagram-handle.ts'
import { canonicalAddress } from '../match/target-address.ts'
import type { BindPart } from '../model/snapshot.ts'
import { type BindAttempt, bindTcp, openTcp, type PassedTcpHandle } from './bind-tcp.ts'
import type { Datagrams } from './ledger.ts'
import type { BindContext } from './sockets.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** SD_LISTEN_FDS_START. */
const FIRST = 3

/** Systemd's word for a descriptor without a name. */
const NO_NAME = 'unknown'

/** A UDP socket. */
interface PassedDatagrams {
  readonly name: string
  readonly address: string
  readonly port: number
  readonly handle: NativeUdpHandle
  readonly isKept: true
  /** Some listener has asked for it. */
  isTaken: boolean
}

interface PassedSocket {
  readonly name: string
  readonly address: string
  readonly port: number
  readonly handle: PassedTcpHandle
  /** The place whose bind it became; that one may have it again. */
  takenFor: string | undefined
}

export class PassedSockets {
  readonly #sockets: readonly PassedSocket[]
  readonly #datagrams: readonly PassedDatagrams[]
  /** What was passed and can never serve, one sentence each; those descriptors are closed. */
  readonly refused: readonly string[]

  /** Descriptors that are meant for another process are left alone. */
  constructor(environment: Environment, pid: number = process.pid) {
    const passed = passedFds(environment, pid).map(({ fd, name }) => adopt(fd, name))
    const sockets = passed.filter((one) => typeof one !== 'string')
    this.#sockets = sockets.filter((one) => 'takenFor' in one)
    this.#datagrams = sockets.filter((one) => 'isTaken' in one)
    this.refused = passed.filter((one) => typeof one === 'string')
  }

  /** `NAME (ADDRESS:PORT)` of each. */
  get names(): readonly string[] {
    return [...this.#sockets, ...this.#datagrams].map(nameOf)
  }

  /** In systemd's order, for a process that takes over. */
  get descriptors(): readonly { readonly name: string; readonly fd: number }[] {
    return [...this.#sockets, ...this.#datagrams]
      .map(({ name, handle }) => ({ name, fd: handle.fd }))
      .toSorted((a, b) => a.fd - b.fd)
  }

  /** Those that no listener has asked for so far. */
  get idle(): readonly string[] {
    return [
      ...this.#sockets.filter(({ takenFor }) => takenFor === undefined),
      ...this.#datagrams.filter(({ isTaken }) => !isTaken),
    ].map(nameOf)
  }

  /** What was passed for this place or for a listener there, else a socket of our own. */
  bind(address: string, port: number, context?: BindContext): BindAttempt {
    const socket = this.#find(address, port) ?? this.#named(address, port, context)
    if (socket === undefined) return bindTcp(address, port)
    socket.takenFor = placeOf(address, port)
    return { kind: 'bound', handle: socket.handle, port }
  }

  /**
   * UDP sockets for addresses of a bind, for the worker that owns it. Ours stay open and are not read
   * from, so that datagrams wait while there is no such worker.
   */
  datagramsOf({ address, port }: Pick<BindPart, 'address' | 'port'>): readonly Datagrams[] {
    const found = this.#datagrams.filter(
      (socket) =>
        socket.port === port &&
        (socket.address === address ||
          address === '::' ||
          (address === '0.0.0.0' && isIPv4(socket.address))),
    )
    for (const socket of found) socket.isTaken = true
    return found
  }

  /** The descriptors themselves: what comes from now on waits with systemd for our successor. */
  close(): void {
    for (const { handle } of this.#sockets) {
      Reflect.deleteProperty(handle, 'close')
      handle.close()
    }
  }

  /** The IPv6 wildcard is content with the IPv4 one: systemd's say counts. */
  #find(address: string, port: number): PassedSocket | undefined {
    const on = (own: string): PassedSocket | undefined =>
      this.#sockets.find((socket) => socket.address === own && socket.port === port)
    return on(address) ?? (address === '::' ? on('0.0.0.0') : undefined)
  }

  /** By a listener's name, rather on the same port; what another bind has or wants stays its own. */
  #named(address: string, port: number, context?: BindContext): PassedSocket | undefined {
    if (context === undefined) return undefined
    const place = placeOf(address, port)
    const wanted = new Set(context.wanted.map((one) => this.#find(one.address, one.port)))
    const fitting = this.#sockets.filter(
      (socket) =>
        context.names.has(socket.name) &&
        !wanted.has(socket) &&
        (socket.takenFor === undefined || socket.takenFor === place),
    )
    return fitting.find((socket) => socket.port === port) ?? fitting[0]
  }
}

function passedFds(environment: Environment, pid: number): { fd: number; name: string }[] {
  const count = Number(environment['LISTEN_FDS'])
  if (Number(environment['LISTEN_PID']) !== pid || !Number.isSafeInteger(count)) return []
  const names = (environment['LISTEN_FDNAMES'] ?? '').split(':')
  return Array.from({ length: Math.max(0, count) }, (_, index) => ({
    fd: FIRST + index,
    name: names[index] || NO_NAME,
  }))
}

/** A sentence: why it can serve nothing. */
function adopt(fd: number, name: string): PassedSocket | PassedDatagrams | string {
  const datagrams = openUdp(fd)
  if (datagrams !== undefined) return adoptDatagrams(datagrams, name)
  const handle = openTcp(fd)
  if (handle === undefined) return `${name} (descriptor ${fd}) is neither a TCP nor a UDP socket`
  const local: { address?: string; port?: number } = {}
  if (handle.getpeername({}) === 0 || handle.getsockname(local) !== 0) {
    handle.close()
    return `${name} (descriptor ${fd}) is a connection: set Accept=no`
  }
  const { address: own = '', port = 0 } = local
  const address = canonicalAddress(own) ?? own
  const socket: PassedSocket = { name, address, port, handle, takenFor: undefined }
  keepOpen(socket)
  return socket
}

/** A sentence: why it can serve nothing. */
function adoptDatagrams(handle: NativeUdpHandle, name: string): PassedDatagrams | string {
  const local: { address?: string; port?: number } = {}
  handle.getsockname(local)
  const { address: own = '', port = 0 } = local
  const address = canonicalAddress(own) ?? own
  if (address === '::' || address === '0.0.0.0') {
    handle.close()
    return (
      `${name} (${placeOf(address, port)}) takes datagrams for every address, and answers could leave from ` +
      'another than the client wrote to: name each one, ListenDatagram=ADDRESS:PORT'
    )
  }
  // With `--workers 0` the data plane has this very handle.
  handle.close = () => void handle.recvStop()
  return { name, address, port, handle, isKept: true, isTaken: false }
}

/**
 * `close` lets go of the socket instead of closing it: control calls it when no listener wants the
 * socket, and with `--workers 0`, where both hold one handle, the data plane does. There libuv goes
 * on accepting, so that what comes meanwhile is closed at once.
 */
function keepOpen(socket: PassedSocket): void {
  const { handle } = socket
  handle.close = () => {
    socket.takenFor = undefined
    handle.onconnection = (_status, connection) => connection?.close()
  }
}

function nameOf({ name, address, port, ...rest }: PassedSocket | PassedDatagrams): string {
  if ('isTaken' in rest) return `${name} (${placeOf(address, port)}, UDP)`
  return `${name} (${placeOf(address, port)})`
}

function placeOf(address: string, port: number): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`
}
