/**
 * The relay thread as the backend sees it: hands each event to the connection whose slot it names.
 * A slot is held from its `accepted` event until `take` or `cut`; what comes for a slot that nobody
 * holds is late and means nothing.
 */
import { getSystemErrorName } from 'node:util'
import { BACKLOG } from '../../../ipc/bound-handle.ts'
import type { SocketHandle } from '../../../ipc/link.ts'
import type { Addon, RelayHandle } from './addon.ts'

/** What an `accepted` event says. */
export interface AcceptedFacts {
  readonly slot: number
  readonly peerAddress: string
  readonly peerPort: number
  readonly localAddress: string
  readonly localPort: number
  /** A copy. */
  readonly head: Buffer
}

export interface ListenerSink {
  /** Holds the slot, or cuts it. */
  onAccepted(facts: AcceptedFacts): void
  onAcceptFailed(errno: string): void
}

export interface SlotHolder {
  onPeeked(chunk: Buffer): void
  /** undefined: FIN. */
  onLost(errno: string | undefined): void
  onConnected(attempt: number): void
  onRefused(attempt: number, errno: string): void
  onClosed(how: ClosedHow, errno: string): void
}

/** As in native/relay.h. */
export const CLOSED_HOW = ['completed', 'client-reset', 'upstream-reset', 'idle-timeout'] as const
export type ClosedHow = (typeof CLOSED_HOW)[number]

const ACCEPTED = 0
const PEEKED = 1
const LOST = 2
const CONNECTED = 3
const REFUSED = 4
const CLOSED = 5
const ACCEPT_FAILED = 6

const HEADER_BYTES = 24
const MEMORY_BYTES = 256 * 1024

export class RelayThread {
  readonly #addon: Addon
  readonly #handle: RelayHandle
  readonly #words: Int32Array
  readonly #bytes: Buffer
  readonly #slots: (SlotHolder | undefined)[] = []
  readonly #listeners = new Map<number, ListenerSink>()
  #listenerCount = 0
  /** Slots held. */
  #held = 0
  #keepsAlive = false

  /** Throws when no thread or descriptor is left. */
  constructor(addon: Addon) {
    this.#addon = addon
    const memory = new ArrayBuffer(MEMORY_BYTES)
    this.#words = new Int32Array(memory)
    this.#bytes = Buffer.from(memory)
    this.#handle = addon.open((length) => this.#onEvents(length), memory)
  }

  /** The listener's id; undefined: listen(2) refused. */
  listen(socket: SocketHandle, sink: ListenerSink): number | undefined {
    const id = ++this.#listenerCount
    if (this.#addon.listen(this.#handle, socket.fd, BACKLOG, id) !== 0) return undefined
    this.#listeners.set(id, sink)
    this.#updateHold()
    return id
  }

  unlisten(id: number): void {
    this.#addon.unlisten(this.#handle, id)
    this.#listeners.delete(id)
    this.#updateHold()
  }

  /** From an `accepted` event until `take` or `cut`. */
  hold(slot: number, holder: SlotHolder): void {
    this.#slots[slot] = holder
  }

  peek(slot: number): void {
    this.#addon.peek(this.#handle, slot)
  }

  /** As Addon.connect; undefined or an errno's name. */
  connect(
    slot: number,
    attempt: number,
    to: { readonly address: string; readonly port: number },
    first: readonly [preface: Buffer | undefined, head: Buffer],
    timeoutMs: number,
    idleMs: number,
  ): string | undefined {
    const { address, port } = to
    const args = [slot, attempt, address, port, first, timeoutMs, idleMs] as const
    const errno = this.#addon.connect(this.#handle, ...args)
    return errno === 0 ? undefined : errnoName(errno)
  }

  take(slot: number): number {
    this.#letGo(slot)
    return this.#addon.take(this.#handle, slot)
  }

  cut(slot: number, how: 'fin' | 'reset'): void {
    this.#letGo(slot)
    this.#addon.cut(this.#handle, slot, how === 'reset')
  }

  bytes(slot: number, from: 0 | 1): number {
    return this.#addon.bytes(this.#handle, slot, from)
  }

  /** Everything is closed. */
  close(): void {
    this.#addon.close(this.#handle)
  }

  #letGo(slot: number): void {
    this.#slots[slot] = undefined
    this.#held--
    this.#updateHold()
  }

  #updateHold(): void {
    const keepsAlive = this.#held > 0 || this.#listeners.size > 0
    if (keepsAlive === this.#keepsAlive) return
    this.#keepsAlive = keepsAlive
    this.#addon.hold(this.#handle, keepsAlive)
  }

  #onEvents(length: number): void {
    const words = this.#words
    for (let at = 0; at < length; ) {
      const word = at >> 2
      const size = words[word + 4] ?? 0
      try {
        this.#onEvent(word, at + HEADER_BYTES, size)
      } catch (error) {
        // A defect in what one connection does must not take the events of the others.
        queueMicrotask(() => {
          throw error
        })
      }
      at += HEADER_BYTES + ((size + 3) & ~3)
    }
  }

  #onEvent(word: number, from: number, size: number): void {
    const words = this.#words
    const slot = words[word + 1] ?? 0
    const a = words[word + 2] ?? 0
    const b = words[word + 3] ?? 0
    switch (words[word]) {
      case ACCEPTED:
        this.#onAccepted(slot, a, b, words[word + 5] ?? 0, from, size)
        return
      case PEEKED:
        this.#slots[slot]?.onPeeked(this.#copy(from, from + size))
        return
      case LOST:
        this.#slots[slot]?.onLost(a === 0 ? undefined : errnoName(a))
        return
      case CONNECTED:
        this.#slots[slot]?.onConnected(a)
        return
      case REFUSED:
        this.#slots[slot]?.onRefused(a, errnoName(b))
        return
      case CLOSED:
        this.#slots[slot]?.onClosed(CLOSED_HOW[a] ?? 'completed', b === 0 ? '' : errnoName(b))
        return
      case ACCEPT_FAILED:
        this.#listeners.get(a)?.onAcceptFailed(errnoName(b))
        return
    }
  }

  #onAccepted(
    slot: number,
    listener: number,
    ports: number,
    names: number,
    from: number,
    size: number,
  ): void {
    const local = from + (names & 0xff)
    const head = local + (names >> 8)
    this.#held++
    const sink = this.#listeners.get(listener)
    if (sink === undefined) {
      this.cut(slot, 'reset')
      return
    }
    sink.onAccepted({
      slot,
      peerAddress: this.#text(from, local),
      peerPort: ports & 0xffff,
      localAddress: this.#text(local, head),
      localPort: ports >>> 16,
      head: this.#copy(head, from + size),
    })
  }

  #text(from: number, to: number): string {
    return this.#bytes.toString('latin1', from, to)
  }

  #copy(from: number, to: number): Buffer {
    const copy = Buffer.allocUnsafe(to - from)
    this.#bytes.copy(copy, 0, from, to)
    return copy
  }
}

function errnoName(errno: number): string {
  return getSystemErrorName(-errno)
}
