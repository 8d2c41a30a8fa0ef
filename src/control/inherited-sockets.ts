/**
 * Sockets that a process takes over from the one before it (ADR 11): used instead of binding, once
 * each. TCP ones listen already, UDP ones are read by the other process until it has let go. Owns those
 * that nobody has taken.
 */
import type { NativeTcpHandle } from '../ipc/bound-handle.ts'
import { openUdp } from '../ipc/datagram-handle.ts'
import type { Inheritance } from '../ipc/hand-over.ts'
import { bindKey, type BindKey } from '../model/identity.ts'
import { type BindAttempt, openTcp } from './bind-tcp.ts'
import type { Datagrams } from './ledger.ts'

export class InheritedSockets {
  readonly #handles = new Map<BindKey, NativeTcpHandle>()

  readonly #datagrams = new Map<BindKey, Datagrams[]>()

  constructor({ sockets, datagrams }: Pick<Inheritance, 'sockets' | 'datagrams'>) {
    for (const { bind, fd } of sockets) {
      const handle = openTcp(fd)
      if (handle !== undefined) this.#handles.set(bind, handle)
    }
    for (const { bind, address, fd } of datagrams) {
      const handle = openUdp(fd)
      if (handle === undefined) continue
      const ofBind = this.#datagrams.get(bind) ?? []
      ofBind.push({ address, handle, isKept: false })
      this.#datagrams.set(bind, ofBind)
    }
  }

  /** undefined: there is none for this place. */
  take(address: string, port: number): BindAttempt | undefined {
    const key = bindKey('tcp', address, port)
    const handle = this.#handles.get(key)
    if (handle === undefined) return undefined
    this.#handles.delete(key)
    return { kind: 'bound', handle, port }
  }

  /** For the worker that owns the bind. */
  takeDatagrams(bind: BindKey): readonly Datagrams[] {
    const taken = this.#datagrams.get(bind) ?? []
    this.#datagrams.delete(bind)
    return taken
  }

  /** What no listener wanted: connections there would wait for nobody. */
  close(): void {
    for (const handle of this.#handles.values()) handle.close()
    this.#handles.clear()
  }

  /** As `close`. */
  closeDatagrams(): void {
    for (const { handle } of [...this.#datagrams.values()].flat()) handle.close()
    this.#datagrams.clear()
  }
}
