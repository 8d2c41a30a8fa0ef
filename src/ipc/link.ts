/**
 * A two-way link between control and one worker. `process-link` runs over node:child_process IPC,
 * `memory-link` inside one process: the same messages, so `--workers 0` is no special case.
 */
import type { NativeTcpHandle } from './bound-handle.ts'
import type { NativeUdpHandle } from './datagram-handle.ts'
import type { ControlMessage, WorkerMessage } from './messages.ts'

/** What travels beside a message. Between processes the receiver gets a descriptor of its own. */
export type SocketHandle = NativeTcpHandle | NativeUdpHandle

/** Control's end. */
export interface WorkerLink {
  /** `onCopied`: the worker has a descriptor of its own; not called inside one process. */
  send(message: ControlMessage, socket?: SocketHandle, onCopied?: () => void): void
  onMessage(handler: (message: WorkerMessage, socket?: SocketHandle) => void): void
  /** The worker is gone: exited, or disconnected. */
  onClose(handler: (reason: string) => void): void
}

/** The worker's end. */
export interface ControlLink {
  send(message: WorkerMessage, socket?: SocketHandle): void
  onMessage(handler: (message: ControlMessage, socket: SocketHandle | undefined) => void): void
  /** Control is gone: drain and exit. */
  onClose(handler: () => void): void
}
