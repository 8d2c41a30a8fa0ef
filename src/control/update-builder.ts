/**
 * Turns the result of each pass into what the other side does not have yet. It keeps the parts and
 * keys of the last manifest only, so a part that went and came back is sent again.
 */
import type { Digest } from '../base/brand.ts'
import type { ConfigUpdate, ObjectRecord } from '../ipc/messages.ts'
import type { Diagnostic } from '../model/diagnostic.ts'
import type { Part } from '../model/snapshot.ts'
import type { ObjectStatus, PendingProgrammed } from '../model/status.ts'
import type { PartChange } from '../translate/reachable.ts'
import type { Translation } from '../translate/translate.ts'
import type { ConfigStart, ThreadUpdate } from './config-protocol.ts'
import { EditedParts } from '../ipc/part-edit.ts'
import { DeltaSender } from './delta.ts'
import { shareStatuses } from './shared-statuses.ts'

export interface PassResult {
  readonly pass: number
  readonly answers: number
  readonly translation: Translation
  readonly records: readonly ObjectRecord[]
  readonly diagnostics: readonly Diagnostic[]
  readonly counts: ConfigUpdate['counts']
  readonly durationMs: number
}

export class UpdateBuilder {
  #manifest: ConfigStart['manifest']
  /** undefined: nothing was sent, and the receiver may hold what a thread before us has sent. */
  #parts: ReadonlyMap<Digest, Part> | undefined
  #keys: Translation['keys'] = []
  readonly #edits = new EditedParts()
  /** Records are made anew when their resource changes (object-records.ts). */
  readonly #objects = new DeltaSender<ObjectRecord>()
  readonly #statuses = new DeltaSender<ObjectStatus>(
    (before, now) => JSON.stringify(before) === JSON.stringify(now),
  )
  #pending: readonly PendingProgrammed[] | undefined
  #last: ThreadUpdate | undefined

  /** `manifest`: the one to count on from, after the thread before died. */
  constructor(manifest: ConfigStart['manifest']) {
    this.#manifest = manifest
  }

  next(result: PassResult): ThreadUpdate {
    const { translation, records, ...rest } = result
    const { manifest, parts, keys, statuses, pending } = translation
    const change = this.#changeOf(translation)
    const update: ThreadUpdate = {
      ...rest,
      type: 'config-update',
      manifest: { ...manifest, generation: this.#generationOf(manifest.digest) },
      parts: this.#edits.next(change.come, change.gone),
      ...(this.#parts !== undefined && { gone: change.gone.map(([digest]) => digest) }),
      keys: this.#freshKeys(keys),
      statuses: shareStatuses(this.#statuses.next(statuses)),
      ...(pending === this.#pending ? {} : { pending }),
      objects: this.#objects.next(records),
    }
    this.#manifest = update.manifest
    this.#parts = parts
    this.#keys = keys
    this.#pending = pending
    // What `repeat` sends of it: the rest would be kept for nothing.
    this.#last = { ...update, parts: [], gone: [], keys: [] }
    return update
  }

  #freshKeys(keys: Translation['keys']): Translation['keys'] {
    if (keys === this.#keys) return []
    const known = new Set(this.#keys.map(({ keyId }) => keyId))
    return keys.filter(({ keyId }) => !known.has(keyId))
  }

  /** Of what the receiver has. */
  #changeOf({ parts, change }: Translation): PartChange {
    const before = this.#parts
    if (before === parts) return change
    if (before === undefined) return { come: [...parts], gone: [] }
    return { come: lacking(before, parts), gone: lacking(parts, before) }
  }

  /** The last translation did not get here, or not whole: the next one is sent as a whole. */
  forget(): void {
    this.#parts = undefined
    this.#keys = []
    this.#edits.forget()
  }

  /** The configuration of the last update with a diagnostic more; undefined when there was none. */
  repeat(pass: number, answers: number, diagnostic: Diagnostic): ThreadUpdate | undefined {
    if (this.#last === undefined) return undefined
    const { pending: _, ...last } = this.#last
    return {
      ...last,
      pass,
      answers,
      objects: this.#objects.repeat(),
      statuses: this.#statuses.repeat(),
      diagnostics: [diagnostic, ...last.diagnostics],
    }
  }

  #generationOf(digest: Digest): number {
    if (this.#manifest === undefined) return 1
    const { generation } = this.#manifest
    return this.#manifest.digest === digest ? generation : generation + 1
  }
}

/** What the first has not and the second has. */
function lacking(
  before: ReadonlyMap<Digest, Part>,
  now: ReadonlyMap<Digest, Part>,
): PartChange['come'] {
  return [...now].filter(([digest]) => !before.has(digest))
}
