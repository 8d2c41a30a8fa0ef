/**
 * Sockets that systemd passes (sd_listen_fds(3)): they are used instead of binding, found by the
 * address and port that they are bound to. One whose listener leaves is kept for a later one: only
 * systemd can make it anew. Owns these descriptors until the drain.
 */
import { canonicalAddress } from '../match/target-address.ts'
import { type BindAttempt, bindTcp, openTcp, type PassedTcpHandle } from './bind-tcp.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** SD_LISTEN_FDS_START. */
const FIRST = 3

/** Systemd's word for a descriptor without a name. */
const NO_NAME = 'unknown'

interface PassedSocket {
  readonly name: string
  readonly address: string
  readonly port: number
  readonly handle: PassedTcpHandle
  isTaken: boolean
}

export class PassedSockets {
  readonly #sockets: readonly PassedSocket[]
  /** What was passed and can never serve, one sentence each; those descriptors are closed. */
  readonly refused: readonly string[]

  /** Descriptors that are meant for another process are left alone. */
  constructor(environment: Environment, pid: number = process.pid) {
    const passed = passedFds(environment, pid).map(({ fd, name }) => adopt(fd, name))
    this.#sockets = passed.filter((one) => typeof one !== 'string')
    this.refused = passed.filter((one) => typeof one === 'string')
  }

  /** `NAME (ADDRESS:PORT)` of each. */
  get names(): readonly string[] {
    return this.#sockets.map(nameOf)
  }

  /** Those that no listener has asked for so far. */
  get idle(): readonly string[] {
    return this.#sockets.filter(({ isTaken }) => !isTaken).map(nameOf)
  }

  /** What was passed for this place, else a socket of our own. */
  bind(address: string, port: number): BindAttempt {
    // The IPv6 wildcard is content with the IPv4 one: systemd's say counts.
    const other = address === '::' ? this.#find('0.0.0.0', port) : undefined
    const socket = this.#find(address, port) ?? other
    if (socket === undefined) return bindTcp(address, port)
    socket.isTaken = true
    return { kind: 'bound', handle: socket.handle, port }
  }

  /** The descriptors themselves: what comes from now on waits with systemd for our successor. */
  close(): void {
    for (const { handle } of this.#sockets) {
      Reflect.deleteProperty(handle, 'close')
      handle.close()
    }
  }

  #find(address: string, port: number): PassedSocket | undefined {
    return this.#sockets.find((socket) => socket.address === address && socket.port === port)
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
function adopt(fd: number, name: string): PassedSocket | string {
  const handle = openTcp(fd)
  if (handle === undefined) {
    return `${name} (descriptor ${fd}) is no TCP socket: gwproxy opens UDP sockets itself`
  }
  const local: { address?: string; port?: number } = {}
  if (handle.getpeername({}) === 0 || handle.getsockname(local) !== 0) {
    handle.close()
    return `${name} (descriptor ${fd}) is a connection: set Accept=no`
  }
  const { address = '', port = 0 } = local
  keepOpen(handle)
  return { name, address: canonicalAddress(address) ?? address, port, handle, isTaken: false }
}

/**
 * `close` lets go of the socket instead of closing it: control calls it when no listener wants the
 * socket, and with `--workers 0`, where both hold one handle, the data plane does. There libuv goes
 * on accepting, so that what comes meanwhile is closed at once.
 */
function keepOpen(handle: PassedTcpHandle): void {
  handle.close = () => {
    handle.onconnection = (_status, connection) => connection?.close()
  }
}

function nameOf({ name, address, port }: PassedSocket): string {
  return `${name} (${address.includes(':') ? `[${address}]` : address}:${port})`
}
