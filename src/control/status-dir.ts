/**
 * `--status-dir`: one YAML file per object that has a status, each replaced as a whole, so that a
 * reader never sees half of one. A file whose object is gone is removed, when it is one of ours.
 */
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { stringify } from 'yaml'
import { digestOfText } from '../base/digest.ts'
import { messageOf } from '../base/errors.ts'
import { makeDirectory } from '../base/make-directory.ts'
import type { ManifestObject, StatusEntry, StatusReport } from './admin/contract.ts'
import type { Logger } from '../observe/log.ts'

/** A millisecond's worth of comparing. */
const OBJECTS_PER_TURN = 50

const HEADER = '# Written by gwproxy; overwritten and removed by it.\n'

export class StatusDirectory {
  readonly #directory: string
  readonly #log: Logger
  /**
   * By name, what the file holds (undefined: an earlier run's); absent until the first write has
   * looked around.
   */
  #written: Map<string, StatusEntry | undefined> | undefined
  #next: StatusReport | undefined
  #writing: Promise<void> | undefined

  constructor(directory: string, log: Logger) {
    this.#directory = directory
    this.#log = log
  }

  /** Writes in the background; of several reports in a row the newest wins. */
  publish(report: StatusReport): void {
    this.#next = report
    this.#writing ??= this.#run().finally(() => {
      this.#writing = undefined
    })
  }

  /** Resolves when everything published so far is on disk. */
  async flushed(): Promise<void> {
    await this.#writing
  }

  async #run(): Promise<void> {
    while (this.#next !== undefined) {
      const report = this.#next
      this.#next = undefined
      try {
        await this.#write(report)
      } catch (error) {
        const fields = { directory: this.#directory, error: messageOf(error) }
        this.#log.warn(fields, 'the status directory could not be written')
      }
    }
  }

  async #write(report: StatusReport): Promise<void> {
    makeDirectory(this.#directory)
    this.#written ??= await this.#ourFiles()
    const wanted = new Set<string>()
    for (const [index, entry] of report.objects.entries()) {
      // The main thread may be moving bytes: give it a turn now and then.
      if (index % OBJECTS_PER_TURN === 0) await setImmediate()
      const { object } = entry
      if (object['status'] === undefined) continue
      const name = fileName(object)
      wanted.add(name)
      if (isSame(this.#written.get(name), entry)) continue
      await replaceFile(this.#directory, name, HEADER + stringify(object))
      this.#written.set(name, entry)
    }
    for (const name of [...this.#written.keys()].filter((name) => !wanted.has(name))) {
      await rm(join(this.#directory, name), { force: true })
      this.#written.delete(name)
    }
  }

  /** What an earlier run left behind. */
  async #ourFiles(): Promise<Map<string, undefined>> {
    const found = new Map<string, undefined>()
    for (const name of await readdir(this.#directory)) {
      if (!name.endsWith('.yaml')) continue
      const text = await readFile(join(this.#directory, name), 'utf8').catch(() => '')
      if (text.startsWith(HEADER)) found.set(name, undefined)
    }
    return found
  }
}

function isSame(before: StatusEntry | undefined, now: StatusEntry): boolean {
  if (before === undefined || before === now) return before === now
  return JSON.stringify(before.object) === JSON.stringify(now.object)
}

/** What fits into NAME_MAX (255) with `.`, `.yaml` and `.tmp` around it. */
const MAX_NAME = 240

/** `Gateway_default_web.yaml`: no name of an object holds an underscore. */
function fileName({ kind, metadata: { namespace, name } }: ManifestObject): string {
  const parts = [kind, namespace, name].filter((part) => typeof part === 'string')
  const text = parts.map(encodeURIComponent).join('_')
  return text.length <= MAX_NAME
    ? `${text}.yaml`
    : `${text.slice(0, MAX_NAME - 44)}_${digestOfText(text)}.yaml`
}

async function replaceFile(directory: string, name: string, text: string): Promise<void> {
  const temporary = join(directory, `.${name}.tmp`)
  await writeFile(temporary, text)
  await rename(temporary, join(directory, name))
}
