/**
 * What every step of a translation shares: the resources, the options, and two sinks that only
 * grow: parts by digest and diagnostics. A context lives for one call of `translate`.
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

export function createContext(resources: ResourceSet, options: TranslateOptions): TranslateContext {
  return { resources, options, parts: new PartStore(), diagnostics: new DiagnosticSink() }
}

/** What something gave, and what it added on the way. */
interface Noted<T, Added> {
  readonly result: T
  readonly noted: Added
}

/** Parts and keys, to be added again. */
export interface NotedParts {
  readonly parts: (readonly [Digest, Part])[]
  readonly keys: KeyMaterial[]
}

/** Content-addressed: equal parts are stored once. Private keys stand apart. */
export class PartStore {
  readonly #parts = new Map<Digest, Part>()
  readonly #keys = new Map<Digest, KeyMaterial>()
  #noted: NotedParts | undefined

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
    this.#noted?.parts.push([digest, part])
  }

  addKey(key: KeyMaterial): void {
    this.#keys.set(key.keyId, key)
    this.#noted?.keys.push(key)
  }

  addAll({ parts, keys }: NotedParts): void {
    for (const [digest, part] of parts) this.put(digest, part)
    for (const key of keys) this.addKey(key)
  }

  /** What `make` adds, present already or not. It must not ask for that itself. */
  noteOf<T>(make: () => T): Noted<T, NotedParts> {
    if (this.#noted !== undefined) throw nestedNotes()
    const noted: NotedParts = { parts: [], keys: [] }
    this.#noted = noted
    try {
      return { result: make(), noted }
    } finally {
      this.#noted = undefined
    }
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
  readonly #found = new Map<string, Diagnostic>()
  #noted: Diagnostic[] | undefined

  report(resource: Resource<unknown>, finding: Finding): void {
    const { severity, code, path, message, help } = finding
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

  /** As PartStore's. */
  noteOf<T>(make: () => T): Noted<T, readonly Diagnostic[]> {
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
