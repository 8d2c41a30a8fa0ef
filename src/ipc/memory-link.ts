/**
 * Both ends of a link inside one process (`--workers 0`, tests). Messages arrive in order and in a
 * later turn, as they would from another process, and are passed by reference: they are readonly.
 */
import type { ControlLink, SocketHandle, WorkerLink } from './link.ts'
import type { ControlMessage, WorkerMessage } from './messages.ts'

export interface MemoryLink {
  /** Control's end. */
  readonly worker: WorkerLink
  /** The worker's end. */
  readonly control: ControlLink
  /** Tells both ends that the other is gone; nothing is delivered afterwards. */
  close(reason: string): void
}

export function createMemoryLink(): MemoryLink {
  const toWorker = new Mailbox<Letter<ControlMessage>>()
  const toControl = new Mailbox<Letter<WorkerMessage>>()
  let workerClosed: (reason: string) => void = () => undefined
  let controlClosed: () => void = () => undefined

  return {
    worker: {
      send: (message, handle) => toWorker.post({ message, handle }),
      onMessage: (handler) => toControl.open(({ message, handle }) => handler(message, handle)),
      onClose: (handler) => {
        workerClosed = handler
      },
    },
    control: {
      send: (message, handle) => toControl.post({ message, handle }),
      onMessage: (handler) => toWorker.open(({ message, handle }) => handler(message, handle)),
      onClose: (handler) => {
        controlClosed = handler
      },
    },
    close: (reason) => {
      toWorker.close()
      toControl.close()
      workerClosed(reason)
      controlClosed()
    },
  }
}

interface Letter<Message> {
  readonly message: Message
  readonly handle: SocketHandle | undefined
}

/** Keeps letters until somebody reads them; delivers each in its own turn of the event loop. */
class Mailbox<T> {
  readonly #letters: T[] = []
  #handler: ((letter: T) => void) | undefined
  #scheduled = false
  #closed = false

  post(letter: T): void {
    if (this.#closed) return
    this.#letters.push(letter)
    this.#schedule()
  }

  open(handler: (letter: T) => void): void {
    this.#handler = handler
    this.#schedule()
  }

  close(): void {
    this.#closed = true
    this.#letters.length = 0
  }

  #schedule(): void {
    if (this.#scheduled || this.#handler === undefined || this.#letters.length === 0) return
    this.#scheduled = true
    setImmediate(() => this.#deliver())
  }

  #deliver(): void {
    this.#scheduled = false
    const letter = this.#letters.shift()
    if (letter === undefined) return
    this.#schedule()
    this.#handler?.(letter)
  }
}
