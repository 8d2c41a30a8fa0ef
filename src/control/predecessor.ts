/**
 * The process that started this one for an upgrade, as this one sees it (ADR 11). Until `taken` it
 * is the service and we go when it says so or is gone; afterwards we are.
 */
import { setTimeout } from 'node:timers/promises'
import { GwProxyError } from '../base/errors.ts'
import { BUILD } from '../ipc/build.ts'
import {
  HAND_OVER_PROTOCOL,
  HAND_OVER_VARIABLE,
  type Inheritance,
  type PredecessorMessage,
  protocolRefusal,
  type Serving,
  type SuccessorMessage,
} from '../ipc/hand-over.ts'

/**
 * undefined: nobody started us for an upgrade. Takes the variable out of the environment, and makes
 * what systemd passed to the other process ours.
 * @throws GwProxyError GWP_UPGRADE_FAILED: the two cannot hand over
 */
export async function meetPredecessor(
  self: NodeJS.Process = process,
): Promise<Predecessor | undefined> {
  const protocol = self.env[HAND_OVER_VARIABLE]
  Reflect.deleteProperty(self.env, HAND_OVER_VARIABLE)
  if (protocol === undefined || !self.connected) return undefined
  if (self.env['LISTEN_FDS'] !== undefined) self.env['LISTEN_PID'] = String(self.pid)
  const predecessor = new Predecessor(self)
  const ours = { protocol: HAND_OVER_PROTOCOL, build: BUILD }
  const theirs = { protocol: Number(protocol), build: 'that runs' }
  const refusal = protocolRefusal(ours, theirs)
  if (refusal !== undefined) throw predecessor.refuse(refusal)
  await predecessor.greet()
  return predecessor
}

export class Predecessor {
  readonly #self: NodeJS.Process
  readonly #inheritance = Promise.withResolvers<Inheritance>()
  readonly #take = Promise.withResolvers<void>()
  readonly #gone = Promise.withResolvers<void>()
  #inherited: Inheritance | undefined
  #isTaken = false
  #onStop: () => void = () => undefined
  #onReleased: (() => void) | undefined
  #isReleased = false

  constructor(self: NodeJS.Process) {
    this.#self = self
    self.on('message', (message) => this.#onMessage(message as PredecessorMessage))
    self.on('disconnect', () => this.#onGone())
  }

  async greet(): Promise<void> {
    this.#onStop = () => process.exit(0)
    this.#say({ type: 'hello', protocol: HAND_OVER_PROTOCOL, build: BUILD, pid: this.#self.pid })
    this.#inherited = await this.#inheritance.promise
  }

  get inheritance(): Inheritance {
    if (this.#inherited !== undefined) return this.#inherited
    throw new GwProxyError('GWP_DEFECT_INVARIANT', 'nothing was inherited yet')
  }

  /** It has changed its mind, or is gone, while it was the service. */
  onStop(handler: () => void): void {
    this.#onStop = handler
  }

  /** We accept wherever we can; resolves when we may open the admin interface. */
  serving(serving: Serving): Promise<void> {
    this.#say({ type: 'serving', serving })
    return this.#take.promise
  }

  /** We are the service. `onReleased` is called once: no socket is left with the other process. */
  taken(onReleased: () => void): void {
    this.#isTaken = true
    this.#onReleased = onReleased
    this.#say({ type: 'taken' })
    if (this.#isReleased) this.#released()
  }

  /** Nothing is under way there any more, or it is the service. */
  get hasFinished(): boolean {
    return !this.#self.connected || !this.#isTaken
  }

  /** Resolves when it has finished, and after `limitMs` in any case. */
  async finished(limitMs: number): Promise<void> {
    if (this.hasFinished) return
    const over = new AbortController()
    const limit = setTimeout(limitMs, undefined, { signal: over.signal }).catch(ignore)
    await Promise.race([this.#gone.promise, limit])
    over.abort()
  }

  failed(message: string): void {
    this.#say({ type: 'failed', message })
  }

  refuse(message: string): GwProxyError {
    this.failed(message)
    return new GwProxyError('GWP_UPGRADE_FAILED', message)
  }

  #onMessage(message: PredecessorMessage): void {
    switch (message.type) {
      case 'inheritance':
        this.#inheritance.resolve(message.inheritance)
        break
      case 'take':
        this.#take.resolve()
        break
      case 'released':
        this.#released()
        break
      case 'stop':
        if (!this.#isTaken) this.#onStop()
        break
    }
  }

  #onGone(): void {
    this.#gone.resolve()
    if (this.#isTaken) this.#released()
    else this.#onStop()
  }

  #released(): void {
    this.#isReleased = true
    this.#onReleased?.()
    this.#onReleased = undefined
  }

  #say(message: SuccessorMessage): void {
    if (this.#self.connected) this.#self.send?.(message, undefined, {}, () => undefined)
  }
}

function ignore(): void {}
