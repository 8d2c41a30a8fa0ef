/**
 * The channel between the process whose pid the service is known by, once it has handed over, and
 * the process that serves (ADR 11). The first passes on what its pid is told; the second says when it
 * ends. Each sees the other go by the end of the stream. Lines of one word.
 */
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { SignalActions } from './signals.ts'

export type Order = 'drain' | 'exit' | 'reload' | 'reopen-logs'

/** A clean end; without it whoever served has crashed. */
const ENDED = 'ended'

/** What `exit` gives as status; whoever asked for it has its own. */
const EXIT_STATUS = 143

/** The end of the process that stays in place. */
export class StandIn {
  readonly #channel: Socket
  /** Resolves when nobody serves any more: whether that was a clean end. */
  readonly ended: Promise<boolean>

  constructor(channel: Socket) {
    this.#channel = channel
    this.ended = new Promise((resolve) => {
      let isClean = false
      channel.on('error', () => undefined)
      createInterface(channel).on('line', (word) => {
        isClean ||= word === ENDED
      })
      channel.on('close', () => resolve(isClean))
    })
  }

  order(order: Order): void {
    this.#channel.write(`${order}\n`)
  }
}

/** The end of the process that serves. Owns the descriptor. */
export class Lifeline {
  readonly #channel: Socket
  #isLeft = false

  constructor(fd: number, actions: SignalActions) {
    const channel = new Socket({ fd, readable: true, writable: true })
    this.#channel = channel
    channel.on('error', () => undefined)
    createInterface(channel).on('line', (word) => obey(word, actions))
    // Whoever watches that pid thinks that the service is gone: so it is.
    channel.on('close', () => {
      if (!this.#isLeft) actions.drain()
    })
  }

  /** Another process serves now and has the channel. */
  leave(): void {
    this.#isLeft = true
    this.#channel.destroy()
  }

  /** The last word. Resolves when it is said. */
  end(): Promise<void> {
    // Whoever stayed in our place may be gone already: nobody hears it.
    if (this.#isLeft || this.#channel.closed) return Promise.resolve()
    this.#isLeft = true
    return new Promise((resolve) => {
      this.#channel.on('close', () => resolve())
      this.#channel.end(`${ENDED}\n`, () => this.#channel.destroy())
    })
  }
}

function obey(word: string, actions: SignalActions): void {
  switch (word as Order) {
    case 'drain':
      actions.drain()
      break
    case 'exit':
      actions.exitNow(EXIT_STATUS)
      break
    case 'reload':
      actions.reload()
      break
    case 'reopen-logs':
      actions.reopenLogs()
      break
  }
}
