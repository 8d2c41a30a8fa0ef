/**
 * `--status-dir`: one YAML file per object that has a status, each replaced as a whole, so that a
 * reader never sees half of one. A file whose object is gone is removed, when it is one of ours.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { messageOf } from '../base/errors.ts'
import type { StatusEntry, StatusReport } from './admin/contract.ts'
import type { Logger } from '../observe/log.ts'

const HEADER = '# Written by gwproxy; overwritten and removed by it.\n'

export class StatusDirectory {
  readonly #directory: string
  readonly #log: Logger
  /** Name -> what the file holds; undefined until the first write has looked around. */
  #written: Map<string, string> | undefined
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
    await mkdir(this.#directory, { recursive: true })
    this.#written ??= await this.#ourFiles()
    const wanted = new Map(report.objects.flatMap(fileOf))
    for (const [name, text] of wanted) {
      if (this.#written.get(name) === text) continue
      await replaceFile(this.#directory, name, text)
      this.#written.set(name, text)
    }
    for (const name of [...this.#written.keys()].filter((name) => !wanted.has(name))) {
      await rm(join(this.#directory, name), { force: true })
      this.#written.delete(name)
    }
  }

  /** What an earlier run left behind. */
  async #ourFiles(): Promise<Map<string, string>> {
    const found = new Map<string, string>()
    for (const name of await readdir(this.#directory)) {
      if (!name.endsWith('.yaml')) continue
      const text = await readFile(join(this.#directory, name), 'utf8').catch(() => '')
      if (text.startsWith(HEADER)) found.set(name, text)
    }
    return found
  }
}

/** `Gateway_default_web.yaml`: no name of an object holds an underscore. */
function fileOf({ object }: StatusEntry): readonly (readonly [string, string])[] {
  if (object['status'] === undefined) return []
  const { namespace, name } = object.metadata
  const parts = [object.kind, namespace, name].filter((part) => typeof part === 'string')
  return [[`${parts.map(encodeURIComponent).join('_')}.yaml`, HEADER + stringify(object)]]
}

async function replaceFile(directory: string, name: string, text: string): Promise<void> {
  const temporary = join(directory, `.${name}.tmp`)
  await writeFile(temporary, text)
  await rename(temporary, join(directory, name))
}
