/**
 * The work of the config thread: watch, load, translate, report; one pass at a time. A pass never
 * throws: a defect of ours becomes a diagnostic beside the configuration before.
 */
import { ResourceSets } from '../api/resource-set.ts'
import type { Clock } from '../base/clock.ts'
import { collectGarbage, withoutTopCompiler } from '../base/engine.ts'
import { messageOf } from '../base/errors.ts'
import { MappedList } from '../base/lists.ts'
import { ChangeGate, type Look } from '../config/change-gate.ts'
import { holdFor } from '../config/changes.ts'
import { type Listing, wholeFile } from '../config/directory.ts'
import type { IdentityState } from '../config/identity.ts'
import { Loader } from '../config/loader.ts'
import { memoryOf, restoreMemory, sameMemory } from '../config/memory.ts'
import { Watcher } from '../config/watcher.ts'
import type { Diagnostic, DiagnosticCode } from '../model/diagnostic.ts'
import type { Holdings } from '../translate/holdings.ts'
import { PassMemory } from '../translate/pass-memory.ts'
import { translate } from '../translate/translate.ts'
import type {
  ConfigStart,
  ConfigThreadOptions,
  PassMessage,
  ThreadUpdate,
} from './config-protocol.ts'
import { recordOf } from './object-records.ts'
import { openStateDir, type StateDir } from './state-dir.ts'
import { UpdateBuilder } from './update-builder.ts'

const MEMORY_NAME = 'objects'
/** A pass that takes longer, as the first of many objects, leaves as much behind as it keeps. */
const LONG_PASS_MS = 300
/** The edits that follow it at once need not wait for the collection. */
const COLLECT_MS = 1000
/** What many small passes leave is collected when no more of them come. */
const IDLE_COLLECT_MS = 30_000
/** Certificates expire without any file changing. */
const REJUDGE_MS = 3_600_000

export class ConfigPasses {
  readonly #options: ConfigThreadOptions
  readonly #clock: Clock
  readonly #post: (message: PassMessage) => void
  readonly #loader: Loader
  readonly #gate: ChangeGate
  readonly #watcher: Watcher | undefined
  readonly #updates: UpdateBuilder
  readonly #stateDir: StateDir | undefined
  readonly #timers: NodeJS.Timeout[] = []
  #retry: NodeJS.Timeout | undefined
  #collection: NodeJS.Timeout | undefined
  #collectsSoon = false
  #looked: Listing | undefined
  /** What Gateways hold, so that a later one takes no port or address away. */
  #holdings: Holdings | undefined
  readonly #sets = new ResourceSets()
  readonly #records = new MappedList(recordOf)
  #memory = new PassMemory()
  /** What the last pass was made from. */
  #applied: { readonly listing: Listing; readonly fingerprint: string } | undefined
  #pass: number
  #requested = 0
  #saved: IdentityState | undefined
  /** Problems with our surroundings, one of each kind: no events, no state. */
  readonly #troubles = new Map<'events' | 'state', Diagnostic>()

  /** @throws GwProxyError GWP_STATE_UNWRITABLE */
  constructor(
    options: ConfigThreadOptions,
    start: ConfigStart,
    clock: Clock,
    post: (message: PassMessage) => void,
  ) {
    const { roots, unknownFields, stateDir, credentialsDirectory, events } = options
    this.#options = options
    this.#clock = clock
    this.#post = post
    this.#pass = start.pass
    this.#updates = new UpdateBuilder(start.manifest)
    this.#stateDir = stateDir === undefined ? undefined : openStateDir(stateDir)
    this.#loader = new Loader({
      roots,
      unknownFields,
      clock,
      keepsAge: stateDir !== undefined,
      ...(credentialsDirectory !== undefined && { credentialsDirectory }),
    })
    this.#gate = new ChangeGate({ look: () => this.#look(), apply: () => this.#run(), clock })
    this.#watcher = events
      ? new Watcher({
          onEvent: () => this.#gate.mark(),
          onError: (message) => this.#eventsLost(message),
        })
      : undefined
  }

  /** The first pass at once, then whenever something changes. */
  start(): void {
    this.#restore()
    this.#looked = this.#loader.look()
    withoutTopCompiler(() => this.#run())
    this.#timers.push(
      setInterval(() => this.#gate.mark(), this.#options.pollIntervalMs),
      setInterval(() => this.#rejudge(), REJUDGE_MS),
    )
  }

  /** The next update answers `request`, also when nothing has changed. */
  reload(request: number): void {
    this.#requested = Math.max(this.#requested, request)
    this.#gate.force()
  }

  async stop(): Promise<void> {
    this.#gate.stop()
    clearTimeout(this.#retry)
    clearTimeout(this.#collection)
    for (const timer of this.#timers) clearInterval(timer)
    await this.#watcher?.stop()
  }

  #rejudge(): void {
    this.#memory = new PassMemory()
    this.#gate.force()
  }

  #look(): Look {
    const listing = this.#loader.look()
    const fingerprint = this.#loader.fingerprint(listing)
    const applied = this.#applied
    this.#looked = listing
    return {
      fingerprint,
      isApplied: applied?.fingerprint === fingerprint,
      holdMs: applied === undefined ? 0 : holdFor(applied.listing, listing),
    }
  }

  #run(): void {
    const started = this.#clock.monotonic()
    this.#pass += 1
    try {
      this.#post(this.#makeUpdate(this.#looked ?? this.#loader.look()))
    } catch (error) {
      // What they have made of this pass may be half of it.
      this.#memory = new PassMemory()
      this.#updates.forget()
      const message = `the configuration could not be translated: ${messageOf(error)}`
      const diagnostic = this.#trouble('error', 'internal', message)
      this.#post(
        this.#updates.repeat(this.#pass, this.#requested, diagnostic) ?? {
          type: 'config-failed',
          message,
        },
      )
    }
    this.#collectAfter(this.#clock.monotonic() - started)
  }

  #makeUpdate(listing: Listing): ThreadUpdate {
    const started = this.#clock.monotonic()
    const loaded = this.#loader.load(listing)
    this.#applied = { listing, fingerprint: this.#loader.loadedFingerprint(listing) }
    this.#watcher?.update(listing.roots, this.#loader.secretPaths())
    this.#retryAfter(loaded.retryInMs)
    this.#save()
    const translation = translate(this.#sets.next(loaded.resources), {
      ...this.#options.translate,
      withoutNotes: true,
      now: this.#clock.now(),
      memory: this.#memory,
      ...(this.#holdings === undefined ? {} : { holdings: this.#holdings }),
    })
    this.#holdings = translation.holdings
    return this.#updates.next({
      pass: this.#pass,
      answers: this.#requested,
      translation,
      records: this.#records.next(loaded.resources),
      diagnostics: [...this.#troubles.values(), ...loaded.diagnostics, ...translation.diagnostics],
      counts: loaded.counts,
      durationMs: this.#clock.monotonic() - started,
    })
  }

  #collectAfter(passMs: number): void {
    const isLong = passMs >= LONG_PASS_MS
    if (this.#collectsSoon && !isLong) return
    clearTimeout(this.#collection)
    this.#collectsSoon = isLong
    this.#collection = setTimeout(
      () => {
        this.#collectsSoon = false
        collectGarbage()
      },
      isLong ? COLLECT_MS : IDLE_COLLECT_MS,
    )
  }

  #retryAfter(delayMs: number | undefined): void {
    clearTimeout(this.#retry)
    if (delayMs !== undefined) this.#retry = setTimeout(() => this.#gate.force(), delayMs)
  }

  #eventsLost(message: string): void {
    const seconds = this.#options.pollIntervalMs / 1000
    const text = `file events are lost (${message}); changes are found within ${seconds} s`
    // Each watch that fails says so; one report is enough.
    if (this.#troubles.has('events')) return
    this.#troubles.set('events', {
      ...this.#trouble('warning', 'source-unreadable', text),
      ...(message.includes('ENOSPC') && { help: 'Raise the sysctl fs.inotify.max_user_watches.' }),
    })
    this.#gate.force()
  }

  #restore(): void {
    const memory = this.#stateDir?.read(MEMORY_NAME)
    const { state, remembered } = restoreMemory(memory, this.#options.unknownFields)
    this.#loader.restore(state, remembered)
  }

  #save(): void {
    const state = this.#loader.state()
    if (this.#stateDir === undefined || sameMemory(this.#saved, state)) return
    try {
      this.#stateDir.write(MEMORY_NAME, memoryOf(state))
      this.#saved = state
      this.#troubles.delete('state')
    } catch (error) {
      this.#troubles.set('state', this.#trouble('warning', 'internal', messageOf(error)))
    }
  }

  #trouble(severity: Diagnostic['severity'], code: DiagnosticCode, message: string): Diagnostic {
    return { severity, code, origin: wholeFile(this.#options.roots[0] ?? '.'), message }
  }
}
