/**
 * A UDP bind of the worker that owns it: a socket for each local address, the flows, and the tables
 * of the current runtime. Addresses of a wildcard come and go with the machine's interfaces.
 */
import type { RemoteInfo } from 'node:dgram'
import type { NativeUdpHandle } from '../../ipc/datagram-handle.ts'
import type { BindKey } from '../../model/identity.ts'
import type { Outcome } from '../../model/outcome.ts'
import type { BindResult } from '../../model/status.ts'
import type { CompiledUdpBind } from './compiled-bind.ts'
import { Flow, type FlowContext, type FlowPlace } from './flow.ts'
import { type FlowBudget, FlowTable } from './flow-table.ts'
import {
  type AdoptedHandle,
  type BindError,
  type DatagramSink,
  LocalSocket,
} from './local-socket.ts'

/** Of an address that went away between being listed and being bound: a wildcard does without. */
const GONE: ReadonlySet<string> = new Set(['EADDRNOTAVAIL', 'ENODEV'])
const NO_ADDRESS: BindError = {
  errno: 'EADDRNOTAVAIL',
  message: 'no interface of this machine has an address',
}

const NOT_LISTED: BindError = {
  errno: 'EMFILE',
  message: 'the addresses of the interfaces cannot be listed',
}

export class UdpBind implements DatagramSink {
  readonly key: BindKey
  /** Given to this worker after the newest publish: the next one will name it. */
  isFresh = true
  readonly #context: FlowContext
  readonly #table: FlowTable
  readonly #isOwn: FlowPlace['isOwn']
  readonly #sockets = new Map<string, LocalSocket>()
  /** By address: came from control and was not opened yet. */
  readonly #adopted = new Map<string, AdoptedHandle>()
  /** By address. */
  #errors = new Map<string, BindError>()
  #compiled: CompiledUdpBind | undefined
  #isDraining = false
  /** Sockets are opened and closed by one at a time. */
  #opening: Promise<void> = Promise.resolve()

  constructor(key: BindKey, context: FlowContext, budget: FlowBudget, isOwn: FlowPlace['isOwn']) {
    this.key = key
    this.#isOwn = isOwn
    this.#context = context
    this.#table = new FlowTable({
      wheel: context.wheel,
      budget,
      maxFlows: context.limits.udpFlows,
      idleMs: context.limits.udpIdleMs,
      onEmpty: () => {
        if (this.#isDraining) this.#closeSockets()
      },
      onDefect: (error) => context.onDefect(error),
    })
  }

  listensOn(address: string, port: number): boolean {
    return this.#compiled?.port === port && this.#sockets.has(address)
  }

  get result(): BindResult {
    const [error] = this.#errors.values()
    return error === undefined ? { bind: this.key } : { bind: this.key, error }
  }

  /** For one of its addresses the socket is there already; one that is kept stays whatever interfaces say. */
  adopt(address: string, handle: NativeUdpHandle, isKept: boolean): void {
    this.#adopted.get(address)?.handle.close()
    this.#adopted.set(address, { handle, isKept })
  }

  /** Those that control does not keep. */
  lend(take: (address: string, handle: NativeUdpHandle) => void): void {
    for (const socket of this.#sockets.values()) {
      const handle = socket.isKept ? undefined : socket.lend()
      if (handle !== undefined) take(socket.address, handle)
    }
  }

  /** The swap. Flows keep their backends; those of a listener that went away end. */
  async install(compiled: CompiledUdpBind): Promise<BindResult> {
    this.#compiled = compiled
    for (const flow of this.#table.flows) {
      const chain = compiled.choose(flow.local.address)
      if (chain?.listener !== flow.listener) flow.end({ reason: 'listener-removed' })
    }
    await this.openSockets()
    return this.result
  }

  /** Opens what is missing and closes what no interface has any more. */
  openSockets(): Promise<void> {
    this.#opening = this.#opening.then(() => this.#openSockets())
    return this.#opening
  }

  onDatagram(local: LocalSocket, datagram: Buffer, from: RemoteInfo): void {
    const key = `${from.port} ${from.address} ${local.address}`
    try {
      const flow = this.#table.find(key) ?? this.#begin(local, from, key)
      flow?.receive(datagram)
    } catch (error) {
      // One that fails as it begins is in the table already, or nobody has it.
      const flow = this.#table.find(key)
      if (flow === undefined) this.#context.onDefect(error)
      else flow.fail(error)
    }
  }

  /** The bind left the configuration, or the worker. */
  remove(): void {
    this.#compiled = undefined
    this.#endFlows({ reason: 'listener-removed' })
    this.#closeSockets()
  }

  /**
   * No new flows; those that are there go on until they are silent. What comes on systemd's sockets
   * waits for our successor, and their flows are answered still.
   */
  drain(): void {
    this.#isDraining = true
    for (const socket of this.#sockets.values()) if (socket.isKept) socket.pause()
    this.#table.drain()
    if (this.#table.size === 0) this.#closeSockets()
  }

  /**
   * After `drain`: the sockets are wanted elsewhere. What was lent is there: here its flows are answered
   * still, as with systemd's. Others are closed.
   */
  release(): void {
    this.#table.drain(true)
    for (const socket of this.#sockets.values()) {
      if (socket.isLent) socket.pause()
      if (socket.isKept || socket.isLent) continue
      this.#sockets.delete(socket.address)
      this.#endFlows({ reason: 'draining', detail: 'another process took over' }, socket)
      socket.close()
    }
  }

  #begin(local: LocalSocket, from: RemoteInfo, key: string): Flow | undefined {
    const chain = this.#isDraining ? undefined : this.#compiled?.choose(local.address)
    if (chain === undefined || !this.#table.makeRoom()) return undefined
    const flow = new Flow(
      {
        bind: this.key,
        table: this.#table,
        local,
        clientAddress: from.address,
        clientPort: from.port,
        key,
        isOwn: this.#isOwn,
      },
      chain,
      this.#context,
    )
    flow.start()
    return flow
  }

  async #openSockets(): Promise<void> {
    const compiled = this.#wanted
    if (compiled === undefined) return
    const listed = compiled.localAddresses
    if (listed === undefined) {
      // What is open stays.
      if (this.#sockets.size === 0) this.#errors = new Map([['', NOT_LISTED]])
      return
    }
    const kept = [...this.#sockets.values()].filter(({ isKept }) => isKept)
    const keptHandles = [...this.#adopted].filter(([, { isKept }]) => isKept)
    const addresses = new Set([
      ...listed,
      ...keptHandles.map(([address]) => address),
      ...kept.map(({ address }) => address),
    ])
    for (const [address, { handle }] of this.#adopted) {
      if (addresses.has(address)) continue
      this.#adopted.delete(address)
      handle.close()
    }
    for (const [address, socket] of this.#sockets) {
      if (!addresses.has(address) || socket.isClosed) this.#closeSocket(socket)
    }
    const missing = [...addresses].filter((address) => !this.#sockets.has(address))
    const opened = await Promise.all(missing.map((address) => this.#open(address, compiled.port)))
    const errors = opened.filter((failed) => failed !== undefined)
    this.#errors = new Map(
      compiled.isWildcard ? errors.filter(([, { errno }]) => !GONE.has(errno)) : errors,
    )
    if (this.#sockets.size === 0 && this.#errors.size === 0) this.#errors.set('', NO_ADDRESS)
  }

  async #open(address: string, port: number): Promise<[string, BindError] | undefined> {
    const socket = new LocalSocket(address, port, this, this.#adopted.get(address))
    this.#adopted.delete(address)
    const error = await socket.open()
    if (error !== undefined) return [address, error]
    if (this.#wanted === undefined) socket.close()
    else this.#sockets.set(address, socket)
    return undefined
  }

  /** undefined: removed or draining, so that nothing may be opened. */
  get #wanted(): CompiledUdpBind | undefined {
    return this.#isDraining ? undefined : this.#compiled
  }

  #closeSocket(socket: LocalSocket): void {
    this.#sockets.delete(socket.address)
    this.#endFlows({ reason: 'listener-removed', detail: 'the address is gone' }, socket)
    socket.close()
  }

  #closeSockets(): void {
    for (const socket of this.#sockets.values()) socket.close()
    this.#sockets.clear()
    for (const { handle } of this.#adopted.values()) handle.close()
    this.#adopted.clear()
  }

  /** `local`: of this socket only. */
  #endFlows(outcome: Outcome, local?: LocalSocket): void {
    for (const flow of this.#table.flows) {
      if (local === undefined || flow.local === local) flow.end(outcome)
    }
  }
}
