/**
 * The main thread's side of the config thread: starts it, puts its updates together, starts it
 * anew when it dies. What serves goes on serving then; the new thread knows what a restarted
 * gwproxy would know: last good versions and ages from --state-dir. Loads neither yaml nor zod.
 */
import { Worker } from 'node:worker_threads'
import { restoreTopCompiler, withoutIdleCollections } from '../base/engine.ts'
import { GwProxyError, messageOf } from '../base/errors.ts'
import { entryPoint } from '../base/program-files.ts'
import { BUILD } from '../ipc/build.ts'
import type { ConfigUpdate, ObjectRecord } from '../ipc/messages.ts'
import { PartReader } from '../ipc/part-edit.ts'
import type { ObjectStatus } from '../model/status.ts'
import type {
  ConfigStart,
  ConfigThreadData,
  ConfigThreadOptions,
  ThreadMessage,
  ThreadRequest,
  ThreadUpdate,
} from './config-protocol.ts'
import { DeltaReceiver } from './delta.ts'

export type { ConfigThreadOptions } from './config-protocol.ts'

/** A thread that dies again and again is started ever more rarely. */
const RESTART_MS = 1000
const MAX_RESTART_MS = 30_000
/** V8's default keeps 48 MB; a pass of 10,000 objects is no slower with this. */
const YOUNG_MIB = 12
const ENTRY = entryPoint('control/config-thread')

export interface ConfigHost {
  /** Every pass that changed something or answers a reload, in order. */
  onUpdate(handler: (update: ConfigUpdate) => void): void
  /** Nothing can be loaded; what serves goes on serving. */
  onFailed(handler: (message: string) => void): void
  /** Rescans now. Resolves with the update of a pass that began after this call. */
  reload(): Promise<ConfigUpdate>
  /** Resolves when the thread has answered, or is gone: then it is started anew. */
  responds(): Promise<void>
  stop(): Promise<void>
}

/** `heapMiB`: what its heap may take; undefined: as V8 chooses. */
export function startConfigThread(options: ConfigThreadOptions, heapMiB?: number): ConfigHost {
  return new ThreadHost(options, heapMiB)
}

interface Waiting {
  readonly request: number
  readonly resolve: (update: ConfigUpdate) => void
  readonly reject: (error: Error) => void
}

class ThreadHost implements ConfigHost {
  readonly #options: ConfigThreadOptions
  readonly #heapMiB: number | undefined
  readonly #onUpdate: ((update: ConfigUpdate) => void)[] = []
  readonly #onFailed: ((message: string) => void)[] = []
  #worker: Worker
  #restart: NodeJS.Timeout | undefined
  #restartMs = RESTART_MS
  #isStopped = false
  #requests = 0
  #waiting: Waiting[] = []
  #pinged: PromiseWithResolvers<void> | undefined
  #start: ConfigStart = { pass: 0, manifest: undefined }
  readonly #objects = new DeltaReceiver<ObjectRecord>()
  readonly #statuses = new DeltaReceiver<ObjectStatus>()
  readonly #parts = new PartReader()
  #pending: ConfigUpdate['pending'] = []

  constructor(options: ConfigThreadOptions, heapMiB?: number) {
    this.#options = options
    this.#heapMiB = heapMiB
    this.#worker = this.#spawn()
  }

  onUpdate(handler: (update: ConfigUpdate) => void): void {
    this.#onUpdate.push(handler)
  }

  onFailed(handler: (message: string) => void): void {
    this.#onFailed.push(handler)
  }

  reload(): Promise<ConfigUpdate> {
    if (this.#isStopped) return Promise.reject(cannot('gwproxy is stopping'))
    this.#requests += 1
    const request = this.#requests
    const { promise, resolve, reject } = Promise.withResolvers<ConfigUpdate>()
    this.#waiting.push({ request, resolve, reject })
    this.#ask(this.#worker, request)
    return promise
  }

  responds(): Promise<void> {
    if (this.#restart !== undefined || this.#isStopped) return Promise.resolve()
    this.#pinged ??= Promise.withResolvers<void>()
    this.#post(this.#worker, { type: 'ping' })
    return this.#pinged.promise
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    clearTimeout(this.#restart)
    this.#rejectWaiting('gwproxy is stopping')
    await this.#worker.terminate()
  }

  #spawn(): Worker {
    const workerData: ConfigThreadData = {
      build: BUILD,
      options: this.#options,
      start: this.#start,
    }
    const resourceLimits = heapLimits(this.#heapMiB)
    withoutIdleCollections()
    const worker = new Worker(ENTRY, { name: 'gwproxy-config', workerData, resourceLimits })
    worker.on('message', (message: ThreadMessage) => this.#received(message))
    let reason: string | undefined
    worker.on('error', (error) => {
      reason = messageOf(error)
    })
    worker.on('exit', (code) => this.#exited(code, reason))
    return worker
  }

  #received(message: ThreadMessage): void {
    if (message.type === 'alive') return this.#answered()
    if (message.type === 'config-failed') {
      this.#failed(message.message)
      return
    }
    const update = this.#assemble(message)
    if (update === undefined) return
    this.#restartMs = RESTART_MS
    this.#start = { pass: update.pass, manifest: update.manifest }
    for (const handler of this.#onUpdate) handler(update)
    const answered = this.#waiting.filter(({ request }) => request <= message.answers)
    this.#waiting = this.#waiting.filter(({ request }) => request > message.answers)
    for (const { resolve } of answered) resolve(update)
  }

  /** Undefined: the thread and we disagree on what was sent; a new thread sends everything. */
  #assemble(message: ThreadUpdate): ConfigUpdate | undefined {
    const { answers: _, objects, statuses, pending = this.#pending, ...update } = message
    this.#pending = pending
    try {
      const parts = this.#parts.next(update.parts, update.gone)
      return {
        ...update,
        pending,
        parts,
        manifest: { ...update.manifest, parts: this.#parts.digests },
        objects: this.#objects.next(objects),
        statuses: this.#statuses.next(statuses),
      }
    } catch (error) {
      this.#failed(messageOf(error))
      void this.#worker.terminate()
      return undefined
    }
  }

  #failed(message: string): void {
    if (this.#isStopped) return
    for (const handler of this.#onFailed) handler(message)
    this.#rejectWaiting(message)
  }

  #exited(code: number, reason = `exit code ${code}`): void {
    restoreTopCompiler()
    this.#answered()
    if (this.#isStopped) return
    // One that ended by itself has said why.
    if (code !== 0) this.#failed(`the config thread died: ${reason}`)
    this.#restart = setTimeout(() => {
      this.#restart = undefined
      this.#worker = this.#spawn()
      // Reloads that were asked for while there was no thread.
      for (const { request } of this.#waiting) this.#ask(this.#worker, request)
    }, this.#restartMs)
    this.#restartMs = Math.min(this.#restartMs * 2, MAX_RESTART_MS)
  }

  #ask(worker: Worker, request: number): void {
    this.#post(worker, { type: 'reload', request })
  }

  #post(worker: Worker, message: ThreadRequest): void {
    worker.postMessage(message)
  }

  #answered(): void {
    this.#pinged?.resolve()
    this.#pinged = undefined
  }

  #rejectWaiting(message: string): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { reject } of waiting) reject(cannot(message))
  }
}

function cannot(message: string): GwProxyError {
  return new GwProxyError('GWP_CONFIG_UNREADABLE', message)
}

/** A collection of the young generation needs as much again. */
function heapLimits(heapMiB: number | undefined): { [limit: string]: number } {
  const maxYoungGenerationSizeMb = Math.floor(Math.min(YOUNG_MIB, (heapMiB ?? Infinity) / 4))
  if (heapMiB === undefined) return { maxYoungGenerationSizeMb }
  return { maxYoungGenerationSizeMb, maxOldGenerationSizeMb: heapMiB - maxYoungGenerationSizeMb }
}
