/**
 * Sockets that a process takes over from the one before it (ADR 11), listening already: used instead
 * of binding, once each. Owns those that nobody has taken.
 */
import type { NativeTcpHandle } from '../ipc/bound-handle.ts'
import type { Inheritance } from '../ipc/hand-over.ts'
import { bindKey, type BindKey } from '../model/identity.ts'
import { type BindAttempt, openTcp } from './bind-tcp.ts'

export class InheritedSockets {
  readonly #handles = new Map<BindKey, NativeTcpHandle>()

  constructor(sockets: Inheritance['sockets']) {
    for (const { bind, fd } of sockets) {
      const handle = openTcp(fd)
      if (handle !== undefined) this.#handles.set(bind, handle)
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

  /** What no listener wanted: connections there would wait for nobody. */
  close(): void {
    for (const handle of this.#handles.values()) handle.close()
    this.#handles.clear()
  }
}
