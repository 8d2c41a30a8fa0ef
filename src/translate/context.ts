/**
 * What every step of a translation shares: the resources, the options, and two sinks that only
 * grow: parts by digest and diagnostics. A context lives for one call of `translate`.
 */
import type { Digest } from '../base/brand.ts'
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

/** Content-addressed: equal parts are stored once. Private keys stand apart. */
export class PartStore {
  readonly #parts = new Map<Digest, Part>()
  readonly #keys = new Map<Digest, KeyMaterial>()
  /** Their parts and keys are found here as well. */
  readonly #others: PartStore[] = []

  constructor(other?: PartStore) {
    if (other !== undefined) this.#others.push(other)
  }

  /** As if all that `other` has were added. Keep them few: each is asked in turn. */
  include(other: PartStore): void {
    this.#others.push(other)
  }

  get(digest: Digest): Part | undefined {
    const own = this.#parts.get(digest)
    if (own !== undefined) return own
    for (const other of this.#others) {
      const part = other.get(digest)
      if (part !== undefined) return part
    }
    return undefined
  }

  key(keyId: Digest): KeyMaterial | undefined {
    const own = this.#keys.get(keyId)
    if (own !== undefined) return own
    for (const other of this.#others) {
      const key = other.key(keyId)
      if (key !== undefined) return key
    }
    return undefined
  }

  add(part: Part): Digest {
    const digest = digestOfPart(part)
    this.#parts.set(digest, part)
    return digest
  }

  /** A part whose digest is known. */
  put(digest: Digest, part: Part): void {
    this.#parts.set(digest, part)
  }

  addKey(key: KeyMaterial): void {
    this.#keys.set(key.keyId, key)
  }

  addAll({ parts, keys }: PartStore): void {
    for (const [digest, part] of parts) this.put(digest, part)
    for (const key of keys.values()) this.addKey(key)
  }

  /** From now on it has its own alone. */
  leaveOthers(): void {
    this.#others.length = 0
  }

  /** Its own. */
  get parts(): ReadonlyMap<Digest, Part> {
    return this.#parts
  }

  /** Its own. */
  get keys(): ReadonlyMap<Digest, KeyMaterial> {
    return this.#keys
  }

  get size(): number {
    return this.#parts.size + this.#keys.size
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
    const { origin, object, path, message } = diagnostic
    const key = JSON.stringify([origin.file, origin.line, origin.column, object, path, message])
    if (!this.#found.has(key)) this.#found.set(key, diagnostic)
  }

  get all(): readonly Diagnostic[] {
    return [...this.#found.values()]
  }
}
