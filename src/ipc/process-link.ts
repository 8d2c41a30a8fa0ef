/**
 * A link between two processes over node:child_process IPC (`serialization: 'advanced'`: bytes and
 * Maps survive). The channel keeps order, handles included. Control forks with `workerLink`; the
 * worker's entry file calls `controlLink`.
 */
import type { ChildProcess, SendHandle, Serializable } from 'node:child_process'
import type { ControlLink, SocketHandle, WorkerLink } from './link.ts'
import type { ControlMessage, WorkerMessage } from './messages.ts'

/** Control's end, on a child forked with `serialization: 'advanced'`. */
export function workerLink(child: ChildProcess): WorkerLink {
  return {
    send: (message, handle, onCopied) => {
      if (!child.connected) return onCopied?.()
      // A channel that breaks while sending is told by `exit`, where the worker is replaced.
      // The types know net.Server and net.Socket only; the native handle is what cluster sends.
      const sent = (): void => onCopied?.()
      child.send(message as Serializable, handle as SendHandle | undefined, {}, sent)
    },
    onMessage: (handler) => {
      child.on('message', (message: unknown, handle: unknown) => {
        handler(message as WorkerMessage, handle as SocketHandle | undefined)
      })
    },
    onClose: (handler) => {
      let told = false
      const once = (reason: string): void => {
        if (told) return
        told = true
        handler(reason)
      }
      // Exit alone: a worker that closed its channel but runs on is killed by its silence.
      child.on('exit', (code, signal) =>
        once(signal === null ? `exited with code ${code}` : `was ended by ${signal}`),
      )
      child.on('error', (error) => {
        // It also stands for a kill or a message that failed: then the process is alive.
        if (child.pid === undefined) once(`could not be started: ${error.message}`)
      })
    },
  }
}

/** The worker's end, in a process that was forked. Sending keeps no process alive. */
export function controlLink(self: NodeJS.Process = process): ControlLink {
  return {
    send: (message, handle) => {
      if (self.connected) self.send?.(message, handle as SendHandle, {}, () => undefined)
    },
    onMessage: (handler) => {
      self.on('message', (message: unknown, handle: unknown) => {
        handler(message as ControlMessage, handle as SocketHandle | undefined)
      })
    },
    onClose: (handler) => {
      self.on('disconnect', handler)
    },
  }
}
