/**
 * Keeps the workers alive: starts them, greets them, watches their heartbeats, starts anew what
 * ended, and drains them. What they serve is the publisher's business. A link of kind `memory` is
 * the data plane in this very process (`--workers 0`): it lives and dies with control.
 */
import { type Clock, systemClock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import { foreignBuild } from '../ipc/build.ts'
import type { SocketHandle, WorkerLink } from '../ipc/link.ts'
import type {
  ControlMessage,
  EndpointHealth,
  WorkerHello,
  WorkerMessage,
  WorkerSettings,
  WorkerStats,
} from '../ipc/messages.ts'
import type { Outgoing } from './ledger.ts'
import type { Logger } from '../observe/log.ts'
import { TrafficTotals } from '../observe/traffic-totals.ts'
import type { Publisher, Slot } from './publisher.ts'
import { Restarts } from './restarts.ts'
import type { Sockets } from './sockets.ts'
import { type LentDatagrams, UdpLoan } from './udp-loan.ts'

export interface StartedWorker {
  readonly kind: 'process' | 'memory'
  readonly pid: number
  readonly link: WorkerLink
  /** Ends it at once; nothing to do for `memory`. */
  kill(): void
}

export interface SupervisorOptions {
  /** Number of places; 1 with `--workers 0`. */
  readonly count: number
  readonly build: string
  readonly start: (slot: Slot) => StartedWorker
  readonly settings: WorkerSettings
  /** After the settings and before any publish: ticket roots, names. */
  readonly greeting: () => readonly ControlMessage[]
  readonly publisher: Publisher
  readonly sockets: Sockets
  readonly onNameFailed: (name: string) => void
  readonly log: Logger
  readonly clock?: Clock
}

/** A beat of ours; a worker's is expected once in each. */
const BEAT_MS = 1000
/** Silent beats after which a worker counts as hung. Beats, not time: a suspended control is blind. */
const SILENT_BEATS = 5
/** After these its heartbeat is no longer fresh: the beats of both sides drift. */
const FRESH_BEATS = 2
/** A worker that starts loads its code first, on a machine that may be busy. */
const STARTING_BEATS = 30
/** Grace beyond the drain deadline before a worker is killed. */
const DRAIN_GRACE_MS = 1000

interface Place {
  readonly slot: Slot
  readonly restarts: Restarts
  worker: StartedWorker | undefined
  greeted: boolean
  silentBeats: number
  stats: WorkerStats | undefined
  endpoints: readonly EndpointHealth[]
  lastEnd: string | undefined
  /** The program on disk is another than ours: no worker can be started from it. */
  foreignBuild: string | undefined
  retry: NodeJS.Timeout | undefined
  released: boolean
  drained: boolean
}

export interface WorkerView {
  readonly slot: Slot
  readonly pid: number
  readonly stats: WorkerStats
  readonly endpoints: readonly EndpointHealth[]
}

export class Supervisor {
  /** Of all workers, also of those that ended. */
  readonly traffic = new TrafficTotals()
  readonly #options: SupervisorOptions
  readonly #places: readonly Place[]
  #beat: NodeJS.Timeout | undefined
  #draining = false
  #restarts = 0
  #loan: UdpLoan | undefined
  #onReleased: (() => void) | undefined
  #onDrained: (() => void) | undefined

  constructor(options: SupervisorOptions) {
    this.#options = options
    const clock = options.clock ?? systemClock
    this.#places = Array.from({ length: options.count }, (_, slot) => ({
      slot,
      restarts: new Restarts(clock),
      worker: undefined,
      greeted: false,
      silentBeats: 0,
      stats: undefined,
      endpoints: [],
      lastEnd: undefined,
      foreignBuild: undefined,
      retry: undefined,
      released: false,
      drained: false,
    }))
  }

  start(): void {
    for (const place of this.#places) this.#start(place)
    this.#beat = setInterval(() => this.#everyBeat(), BEAT_MS)
  }

  /** What the publisher sends. */
  send(slot: Slot, { message, socketOf, datagrams }: Outgoing): void {
    const link = this.#places[slot]?.worker?.link
    const isGiven = datagrams?.isKept === false
    if (link === undefined) {
      if (isGiven) datagrams.handle.close()
      return
    }
    const state = socketOf === undefined ? undefined : this.#options.sockets.state(socketOf)
    if (state?.kind === 'open') link.send(message, state.handle)
    else if (isGiven) link.send(message, datagrams.handle, () => datagrams.handle.close())
    else link.send(message, datagrams?.handle)
  }

  /**
   * The UDP sockets that workers have opened, for a successor; they are read from as before.
   * @throws GwProxyError GWP_UPGRADE_FAILED: a worker has not answered in time
   */
  lendUdp(limitMs: number): Promise<readonly LentDatagrams[]> {
    const places = this.#places.filter(({ greeted }) => greeted)
    const loan = new UdpLoan(
      (this.#loan?.turn ?? 0) + 1,
      places.map(({ slot }) => slot),
      limitMs,
    )
    this.#loan = loan
    for (const { worker } of places) worker?.link.send({ type: 'lend-udp', turn: loan.turn })
    return loan.sockets
  }

  /** To every worker that was greeted; a later one gets it by its greeting. */
  broadcast(message: ControlMessage): void {
    for (const { worker, greeted } of this.#places) if (greeted) worker?.link.send(message)
  }

  /** The workers that have reported. */
  get workers(): readonly WorkerView[] {
    return this.#places.flatMap(({ slot, worker, stats, endpoints }) =>
      worker === undefined || stats === undefined
        ? []
        : [{ slot, pid: worker.pid, stats, endpoints }],
    )
  }

  /** Greeted workers. */
  get up(): number {
    return this.#places.filter(({ greeted }) => greeted).length
  }

  /** How often a worker ended and was started again. */
  get restarts(): number {
    return this.#restarts
  }

  /**
   * Somebody serves, and nobody who should is silent. A worker that ended counts only as long as it
   * was the last one: it is being started again.
   */
  get isFresh(): boolean {
    return this.up > 0 && this.#places.every((place) => place.silentBeats <= allowedBeats(place))
  }

  /** One sentence for each place that does not serve as it should. */
  get problems(): readonly string[] {
    return this.#places.flatMap(({ slot, restarts, lastEnd, worker, greeted, foreignBuild }) => {
      if (foreignBuild !== undefined) return [`worker ${slot}: ${this.#foreign(foreignBuild)}`]
      if (restarts.loop > 0) {
        return [`worker ${slot} ended ${restarts.loop} times in a row; at last it ${lastEnd}`]
      }
      return worker === undefined || !greeted ? [`worker ${slot} is starting`] : []
    })
  }

  /**
   * Asks every worker to stop accepting and to finish; resolves when all have, or when the
   * deadline has passed and what was left is cut. `onReleased`: a successor waits for the sockets,
   * and is told when no worker has any.
   */
  async drain(deadlineMs: number, onReleased?: () => void): Promise<void> {
    if (this.#draining) return
    this.#draining = true
    this.#onReleased = onReleased
    const drain: ControlMessage = {
      type: 'drain',
      deadlineMs,
      ...(onReleased !== undefined && { hasSuccessor: true }),
    }
    clearInterval(this.#beat)
    const finished = new Promise<void>((resolve) => {
      this.#onDrained = resolve
    })
    for (const place of this.#places) {
      clearTimeout(place.retry)
      if (place.greeted) place.worker?.link.send(drain)
      else {
        this.#killPlace(place)
        place.drained = true
      }
    }
    const cut = setTimeout(() => {
      for (const place of this.#places) this.#killPlace(place)
      this.#onDrained?.()
    }, deadlineMs + DRAIN_GRACE_MS)
    this.#checkDrained()
    await finished
    clearTimeout(cut)
  }

  /** Ends everything at once. */
  kill(): void {
    this.#draining = true
    clearInterval(this.#beat)
    for (const place of this.#places) {
      clearTimeout(place.retry)
      this.#killPlace(place)
    }
  }

  #start(place: Place): void {
    place.restarts.started()
    place.silentBeats = 0
    const worker = this.#tryStart(place)
    if (worker === undefined) return
    place.worker = worker
    this.#options.publisher.starting(place.slot)
    worker.link.onMessage((message, socket) => {
      // A word from a worker that was replaced in the meantime means nothing.
      if (place.worker === worker) this.#onMessage(place, worker, message, socket)
      else if (worker.kind === 'process') socket?.close()
    })
    worker.link.onClose((reason) => {
      if (place.worker === worker) this.#onEnd(place, worker.pid, reason)
    })
  }

  /** Without memory or processes left, fork(2) fails: the others serve, and it is tried again. */
  #tryStart(place: Place): StartedWorker | undefined {
    try {
      return this.#options.start(place.slot)
    } catch (error) {
      this.#onEnd(place, undefined, `could not be started: ${messageOf(error)}`)
      return undefined
    }
  }

  #onMessage(
    place: Place,
    worker: StartedWorker,
    message: WorkerMessage,
    socket: SocketHandle | undefined,
  ): void {
    place.silentBeats = 0
    switch (message.type) {
      case 'hello':
        this.#greet(place, worker, message)
        break
      case 'ack':
      case 'nack':
        this.#options.publisher.answered(place.slot, message)
        break
      case 'heartbeat':
        place.stats = message.stats
        place.endpoints = message.endpoints ?? place.endpoints
        if (message.traffic !== undefined) this.traffic.add(message.traffic)
        break
      case 'name-failed':
        this.#options.onNameFailed(message.name)
        break
      case 'binds-changed':
        this.#options.publisher.bindsChanged()
        break
      case 'udp-lent':
        if (socket !== undefined) this.#lent(place, worker, message, socket)
        break
      case 'all-udp-lent':
        if (message.turn === this.#loan?.turn) this.#loan.finished(place.slot)
        break
      case 'released':
        place.released = true
        this.#checkDrained()
        break
      case 'drained':
        place.drained = true
        this.#checkDrained()
        break
    }
  }

  #lent(
    { slot }: Place,
    { kind }: StartedWorker,
    { turn, bind, address }: Extract<WorkerMessage, { type: 'udp-lent' }>,
    socket: SocketHandle,
  ): void {
    // Inside this process it is the very socket that the data plane reads from.
    const close = (): void => {
      if (kind === 'process') socket.close()
    }
    if (turn === this.#loan?.turn) this.#loan.add(slot, { bind, address, fd: socket.fd, close })
    else close()
  }

  #greet(place: Place, worker: StartedWorker, hello: WorkerHello): void {
    const { build, log, settings, greeting, publisher } = this.#options
    if (hello.build !== build) {
      // Once, not at every attempt: the files may be put back, and until then readyz says so.
      if (place.foreignBuild !== hello.build) {
        log.error({ worker: place.slot, pid: worker.pid }, this.#foreign(hello.build))
      }
      place.foreignBuild = hello.build
      worker.kill()
      return
    }
    // It was refused, and has not crashed, while the files were others.
    if (place.foreignBuild !== undefined) place.restarts.forgive()
    place.foreignBuild = undefined
    place.greeted = true
    worker.link.send({ type: 'settings', settings })
    for (const message of greeting()) worker.link.send(message)
    log.info({ worker: place.slot, pid: worker.pid }, 'worker started')
    publisher.joined(place.slot, hello.heldParts)
  }

  #onEnd(place: Place, pid: number | undefined, reason: string): void {
    place.worker = undefined
    place.greeted = false
    place.silentBeats = 0
    place.stats = undefined
    place.endpoints = []
    place.lastEnd = reason
    this.#loan?.finished(place.slot)
    this.#options.publisher.left(place.slot)
    if (this.#draining) {
      this.#checkDrained()
      return
    }
    this.#restarts += 1
    const delayMs = place.restarts.ended()
    const fields = { worker: place.slot, pid, reason, delayMs }
    if (place.foreignBuild === undefined) {
      this.#options.log.error(fields, 'worker ended; starting it again')
    }
    place.retry = setTimeout(() => this.#start(place), delayMs)
  }

  #everyBeat(): void {
    for (const place of this.#places) {
      const { worker } = place
      if (worker === undefined || worker.kind === 'memory') continue
      place.silentBeats += 1
      const allowed = place.greeted ? SILENT_BEATS : STARTING_BEATS
      if (place.silentBeats <= allowed) continue
      this.#options.log.error(
        { worker: place.slot, pid: worker.pid, silentMs: allowed * BEAT_MS },
        'worker does not answer; ending it',
      )
      place.silentBeats = 0
      worker.kill()
    }
  }

  #foreign(build: string): string {
    return foreignBuild('workers are', build, this.#options.build)
  }

  /** A memory worker has no exit to wait for: its `drained` is its end. */
  #checkDrained(): void {
    if (!this.#draining) return
    if (this.#places.every(({ worker, released, drained }) => !worker || released || drained)) {
      this.#onReleased?.()
      this.#onReleased = undefined
    }
    if (this.#places.every((place) => place.worker === undefined || place.drained)) {
      this.#onDrained?.()
    }
  }

  #killPlace({ worker }: Place): void {
    worker?.kill()
  }
}

function allowedBeats({ greeted }: Place): number {
  return greeted ? FRESH_BEATS : STARTING_BEATS
}
