/**
 * What every step of a translation shares: the resources, the options, and two sinks: parts by digest
 * and diagnostics. A context lives for one call of `translate`, its parts as long as the memory.
 */
import type { Digest } from '../base/brand.ts'
import { GwProxyError } from '../base/errors.ts'
import type { Resource } from '../api/resource.ts'
import type { ResourceSet } from '../api/resource-set.ts'
import type { Diagnostic, DiagnosticCode, DocumentPath, Severity } from '../model/diagnostic.ts'
import { formatPath } from '../model/diagnostic.ts'
import { displayKey } from '../model/resource-key.ts'
import type { Part } from '../model/snapshot.ts'
import type { KeyMaterial } from '../model/tls.ts'
import type { TranslateOptions } from './options.ts'
import { digestOfPart } from './part-digest.ts'

export interface TranslateContext {
  readonly resources: ResourceSet
  readonly options: TranslateOptions
  readonly parts: PartStore
  readonly diagnostics: DiagnosticSink
}

export function createContext(
  resources: ResourceSet,
  options: TranslateOptions,
  parts = new PartStore(),
): TranslateContext {
  return { resources, options, parts, diagnostics: new DiagnosticSink(options) }
}

/** What something gave, and what it reported on the way. */
interface Noted<T> {
  readonly result: T
  readonly noted: readonly Diagnostic[]
}

/**
 * Content-addressed: equal parts are stored once. Private keys stand apart. It lives as long as what
 * has been made with it (pass-memory.ts), and holds what nobody refers to any more until it is pruned.
 */
export class PartStore {
  readonly #parts = new Map<Digest, Part>()
  readonly #keys = new Map<Digest, KeyMaterial>()

  get size(): number {
    return this.#parts.size
  }

  get(digest: Digest): Part | undefined {
    return this.#parts.get(digest)
  }

  key(keyId: Digest): KeyMaterial | undefined {
    return this.#keys.get(keyId)
  }

  add(part: Part): Digest {
    const digest = digestOfPart(part)
    this.put(digest, part)
    return digest
  }

  /** A part whose digest is known. */
  put(digest: Digest, part: Part): void {
    this.#parts.set(digest, part)
  }

  addKey(key: KeyMaterial): void {
    this.#keys.set(key.keyId, key)
  }

  drop(digest: Digest): void {
    this.#parts.delete(digest)
  }
}

/** A finding about one field of one resource. */
export interface Finding {
  readonly severity: Severity
  readonly code: DiagnosticCode
  readonly path: DocumentPath
  readonly message: string
  readonly help?: string
}

/** Collects diagnostics; the same finding from two steps (two parents of one route) is kept once. */
export class DiagnosticSink {
  readonly #hasNotes: boolean
  readonly #found = new Map<string, Diagnostic>()
  #noted: Diagnostic[] | undefined

  constructor({ withoutNotes = false }: Pick<TranslateOptions, 'withoutNotes'> = {}) {
    this.#hasNotes = !withoutNotes
  }

  report(resource: Resource<unknown>, finding: Finding): void {
    const { severity, code, path, message, help } = finding
    if (severity === 'note' && !this.#hasNotes) return
    this.add({
      severity,
      code,
      origin: resource.locate(path),
      object: displayKey(resource.key),
      ...(path.length > 0 ? { path: formatPath(path) } : {}),
      message,
      ...(help === undefined ? {} : { help }),
    })
  }

  add(diagnostic: Diagnostic): void {
    this.#noted?.push(diagnostic)
    const { origin, object, path, message } = diagnostic
    const key = JSON.stringify([origin.file, origin.line, origin.column, object, path, message])
    if (!this.#found.has(key)) this.#found.set(key, diagnostic)
  }

  get all(): readonly Diagnostic[] {
    return [...this.#found.values()]
  }

  /** What `make` adds, present already or not. It must not ask for that itself. */
  noteOf<T>(make: () => T): Noted<T> {
    if (this.#noted !== undefined) throw nestedNotes()
    const noted: Diagnostic[] = []
    this.#noted = noted
    try {
      return { result: make(), noted }
    } finally {
      this.#noted = undefined
    }
  }
}

/** What the outer one adds behind the inner one would be forgotten in the next pass. */
function nestedNotes(): GwProxyError {
  return new GwProxyError('GWP_DEFECT_INVARIANT', 'notes within notes')
}
