/** The config thread's work in this process, on a temporary directory: write, then await updates. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/base/clock.ts'
import { ConfigPasses } from '../../src/control/config-passes.ts'
import type { ConfigThreadOptions, ThreadUpdate } from '../../src/control/config-protocol.ts'
import { DeltaReceiver } from '../../src/control/delta.ts'
import type { ObjectRecord } from '../../src/ipc/messages.ts'
import { DEFAULT_OPTIONS } from '../../src/translate/options.ts'

const names = new WeakMap<ThreadUpdate, string[]>()

export class ConfigBench implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'gwproxy-config-'))
  readonly updates: ThreadUpdate[] = []
  readonly failures: string[] = []
  readonly #objects = new DeltaReceiver<ObjectRecord>()
  #passes: ConfigPasses | undefined
  #waiting: (() => void)[] = []

  /** `root` defaults to the temporary directory itself. */
  start(options: Partial<ConfigThreadOptions> = {}): void {
    this.#passes = new ConfigPasses(
      {
        roots: [this.dir],
        unknownFields: 'reject',
        pollIntervalMs: 60_000,
        events: true,
        translate: DEFAULT_OPTIONS,
        ...options,
      },
      { pass: 0, manifest: undefined },
      systemClock,
      (message) => {
        if (message.type === 'config-failed') this.failures.push(message.message)
        else this.#received(message)
        for (const wake of this.#waiting.splice(0)) wake()
      },
    )
    this.#passes.start()
  }

  #received(update: ThreadUpdate): void {
    const keys = this.#objects.next(update.objects).map(({ key }) => key.name)
    names.set(update, keys.sort())
    this.updates.push(update)
  }

  get last(): ThreadUpdate {
    const update = this.updates.at(-1)
    if (update === undefined) throw new Error('no update yet')
    return update
  }

  /** The first update from now on, the newest included, that satisfies the condition. */
  async until(holds: (update: ThreadUpdate) => boolean, timeoutMs = 8000): Promise<ThreadUpdate> {
    const signal = AbortSignal.timeout(timeoutMs)
    for (;;) {
      if (this.updates.length > 0 && holds(this.last)) return this.last
      await new Promise<void>((resolve, reject) => {
        this.#waiting.push(resolve)
        signal.addEventListener('abort', () =>
          reject(
            new Error(`not within ${timeoutMs} ms; last: ${JSON.stringify(this.updates.at(-1))}`),
          ),
        )
      })
    }
  }

  /** Resolves with the pass that answers a forced rescan: proof that nothing else was seen. */
  async rescan(request: number): Promise<ThreadUpdate> {
    this.#passes?.reload(request)
    return this.until((update) => update.answers >= request)
  }

  path(name: string): string {
    return join(this.dir, name)
  }

  write(name: string, text: string): void {
    writeFileSync(this.path(name), text)
  }

  /** Atomic: another name first, then rename. */
  replace(name: string, text: string): void {
    writeFileSync(this.path(`${name}.tmp`), text)
    renameSync(this.path(`${name}.tmp`), this.path(name))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#passes?.stop()
    rmSync(this.dir, { recursive: true, force: true })
  }
}

/** A Namespace is the smallest object that there is. */
export function namespace(name: string, label = 'none'): string {
  return `apiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}, labels: {team: ${label}}}\n`
}

/** The names of the Namespaces that are served, sorted. */
export function namesIn(update: ThreadUpdate): string[] {
  return names.get(update) ?? []
}

export function hasNames(...names: readonly string[]): (update: ThreadUpdate) => boolean {
  const wanted = names.toSorted().join()
  return (update) => namesIn(update).join() === wanted
}
