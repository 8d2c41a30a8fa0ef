/**
 * The new process of an upgrade, as the running one sees it (ADR 11): a child from the launcher as it
 * is installed now, which inherits the listening sockets by their descriptors. What goes wrong with
 * it is one sentence.
 */
import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import type { Socket } from 'node:net'
import { GwProxyError, messageOf } from '../base/errors.ts'
import {
  HAND_OVER_PROTOCOL,
  HAND_OVER_VARIABLE,
  type Inheritance,
  type PredecessorMessage,
  protocolRefusal,
  readSuccessorMessage,
  type Serving,
  type SuccessorMessage,
} from '../ipc/hand-over.ts'

/** What it is started with. */
export interface Estate {
  readonly launcher: string
  readonly args: readonly string[]
  /** Node's for its heap: V8 takes no other once it runs. */
  readonly heapFlags: readonly string[]
  /** Of systemd, in its order. */
  readonly passed: readonly { readonly name: string; readonly fd: number }[]
  readonly inheritance: Omit<Inheritance, 'lifeline'>
  /**
   * `new`: this process stays in place and watches the other end; a number: one that it has itself; `none`:
   * systemd, which is told the new pid, is to be its parent.
   */
  readonly lifeline: 'none' | 'new' | number
}

/**
 * By a shell that is gone at once, the new process becomes a child of systemd. One that is ours when
 * `MAINPID=` names it stays foreign to systemd, which kills such a one without waiting for its drain
 * (`main_pid_alien`, systemd 252).
 */
const AS_ORPHAN = ['/bin/sh', '-c', '"$0" "$@" &'] as const

/** How long each step may take; milliseconds. */
export interface UpgradeLimits {
  /** Until our own workers have lent their UDP sockets. */
  readonly lendMs: number
  /** From its start until it accepts: reading 10,000 routes on a busy machine included. */
  readonly serveMs: number
  /** Opening the admin interface, and telling systemd. */
  readonly takeMs: number
  /** Beyond its drain, when it was told to stop. */
  readonly stopMs: number
}

export const UPGRADE_LIMITS: UpgradeLimits = {
  lendMs: 5000,
  serveMs: 45_000,
  takeMs: 15_000,
  stopMs: 2000,
}

/** Standard input, output and error; passed sockets begin here, as SD_LISTEN_FDS_START has it. */
const FIRST = 3

type Hello = Extract<SuccessorMessage, { type: 'hello' }>

export class Successor {
  readonly #child: ChildProcess
  readonly #limits: UpgradeLimits
  readonly #isOrphan: boolean
  readonly #inheritance: Inheritance
  readonly #lifeline: Socket | undefined
  readonly #failed = Promise.withResolvers<never>()
  readonly #exited = Promise.withResolvers<void>()
  readonly #serving = Promise.withResolvers<Serving>()
  readonly #taken = Promise.withResolvers<void>()
  #hello: Hello | undefined

  constructor(estate: Estate, limits: UpgradeLimits) {
    this.#limits = limits
    const { launcher, args, heapFlags, passed, lifeline } = estate
    const { sockets, datagrams } = estate.inheritance
    const firstOwn = FIRST + passed.length
    const firstUdp = firstOwn + sockets.length
    const channel = firstUdp + datagrams.length
    this.#inheritance = {
      ...estate.inheritance,
      sockets: sockets.map(({ bind }, index) => ({ bind, fd: firstOwn + index })),
      datagrams: datagrams.map((one, index) => ({ ...one, fd: firstUdp + index })),
      lifeline: lifeline === 'none' ? undefined : channel + 1,
    }
    const stdio: StdioOptions = [
      ...(['ignore', 'inherit', 'inherit'] as const),
      ...passed.map(({ fd }) => fd),
      ...sockets.map(({ fd }) => fd),
      ...datagrams.map(({ fd }) => fd),
      'ipc',
      ...(lifeline === 'none' ? [] : [lifeline === 'new' ? ('pipe' as const) : lifeline]),
    ]
    this.#failed.promise.catch(() => undefined)
    this.#isOrphan = lifeline === 'none'
    const [program, ...first] = this.#isOrphan ? ([...AS_ORPHAN, launcher] as const) : [launcher]
    this.#child = spawn(program, [...first, ...args], {
      stdio,
      serialization: 'advanced',
      // A terminal's signals are for us: we pass on what they mean.
      detached: true,
      env: environmentFor(
        passed.map(({ name }) => name),
        heapFlags,
      ),
    })
    this.#lifeline =
      lifeline === 'new' ? (this.#child.stdio[channel + 1] as Socket | undefined) : undefined
    this.#child.on('message', (message) => this.#onMessage(readSuccessorMessage(message)))
    this.#child.on('error', ({ message }) => this.#fail(`${launcher}: ${message}`))
    if (this.#isOrphan) {
      this.#failUnlessExecutable(launcher)
      this.#child.on('disconnect', () => this.#onExit('ended'))
    } else {
      this.#child.on('exit', (code, signal) => {
        this.#onExit(signal === null ? `ended with code ${code}` : `was ended by ${signal}`)
      })
    }
  }

  /** 0: an orphan that has not said it yet. */
  get pid(): number {
    return this.#hello?.pid ?? (this.#isOrphan ? 0 : (this.#child.pid ?? 0))
  }

  get build(): string {
    return this.#hello?.build ?? 'unknown'
  }

  /** Our end of the new lifeline. */
  get lifeline(): Socket | undefined {
    return this.#lifeline
  }

  /** Resolves when it has ended. */
  get exited(): Promise<void> {
    return this.#exited.promise
  }

  /**
   * Resolves when it accepts on every bind that it can.
   * @throws GwProxyError GWP_UPGRADE_FAILED
   */
  serves(): Promise<Serving> {
    return this.#within(this.#serving.promise, this.#limits.serveMs, 'did not serve')
  }

  /**
   * It may open the admin interface; resolves when it has, and is the service.
   * @throws GwProxyError GWP_UPGRADE_FAILED
   */
  take(): Promise<void> {
    this.#say({ type: 'take' })
    return this.#within(this.#taken.promise, this.#limits.takeMs, 'did not take over')
  }

  /** No socket of ours is left. */
  release(): void {
    this.#say({ type: 'released' })
  }

  /** Nothing is under way here any more. */
  leave(): void {
    if (this.#child.connected) this.#child.disconnect()
    this.#child.unref()
  }

  /** It shall not be: what it has accepted so far it may finish, within the time of a drain. */
  stop(reason: string, drainMs: number): void {
    this.#fail(reason)
    this.#lifeline?.destroy()
    this.#say({ type: 'stop' })
    const cut = setTimeout(() => this.kill(), drainMs + this.#limits.stopMs)
    void this.#exited.promise.then(() => clearTimeout(cut))
  }

  kill(): void {
    if (!this.#isOrphan) this.#child.kill('SIGKILL')
    // As long as its channel is open its pid is no other's. Before its first word nobody knows it.
    else if (this.#child.connected && this.pid > 1) killOrphan(this.pid)
  }

  #onExit(how: string): void {
    this.#fail(`the new process ${how} before it could take over; the log has its last words`)
    this.#exited.resolve()
  }

  /** The shell between us tells nobody. */
  #failUnlessExecutable(launcher: string): void {
    try {
      accessSync(launcher, constants.X_OK)
    } catch (error) {
      this.#fail(messageOf(error))
    }
  }

  #onMessage(message: SuccessorMessage | undefined): void {
    switch (message?.type) {
      case undefined:
        this.#fail(
          'the new process says what this one does not understand; only a restart is possible',
        )
        break
      case 'hello':
        this.#onHello(message)
        break
      case 'failed':
        this.#fail(message.message)
        break
      case 'serving':
        this.#serving.resolve(message.serving)
        break
      case 'taken':
        this.#taken.resolve()
        break
    }
  }

  #onHello(hello: Hello): void {
    this.#hello = hello
    const { build } = this.#inheritance
    const refusal = protocolRefusal({ protocol: HAND_OVER_PROTOCOL, build }, hello)
    if (refusal === undefined) {
      this.#say({ type: 'inheritance', inheritance: this.#inheritance })
      return
    }
    this.#fail(refusal)
    this.kill()
  }

  #say(message: PredecessorMessage): void {
    // A channel that breaks while sending is told by `exit`.
    if (this.#child.connected) this.#child.send(message, undefined, {}, () => undefined)
  }

  #fail(message: string): void {
    this.#failed.reject(new GwProxyError('GWP_UPGRADE_FAILED', message))
  }

  async #within<T>(step: Promise<T>, limitMs: number, what: string): Promise<T> {
    const limit = setTimeout(() => {
      this.#fail(`the new process ${what} within ${limitMs / 1000} s`)
    }, limitMs)
    try {
      return await Promise.race([step, this.#failed.promise])
    } finally {
      clearTimeout(limit)
    }
  }
}

function killOrphan(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Gone already: its channel will tell.
  }
}

/** What systemd said to us is for it, too, but for the pids: those are ours. */
function environmentFor(
  passed: readonly string[],
  heapFlags: readonly string[],
): NodeJS.ProcessEnv {
  const {
    LISTEN_FDS: _fds,
    LISTEN_FDNAMES: _names,
    LISTEN_PID: _pid,
    WATCHDOG_PID: _watched,
    ...rest
  } = process.env
  return {
    ...rest,
    [HAND_OVER_VARIABLE]: String(HAND_OVER_PROTOCOL),
    ...(heapFlags.length > 0 && { GWPROXY_HEAP_FLAG: heapFlags.join(' ') }),
    ...(passed.length > 0 && {
      LISTEN_FDS: String(passed.length),
      LISTEN_FDNAMES: passed.join(':'),
    }),
  }
}
