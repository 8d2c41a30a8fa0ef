/**
 * Identity state to and from plain JSON, for --state-dir: ages and generations of all objects, and
 * the text of their last good versions. Documents with Secrets are remembered without their text.
 */
import type { Digest } from '../base/brand.ts'
import { keyText } from '../model/resource-key.ts'
import { admitDocument, type UnknownFields } from './admit.ts'
import { splitDocuments } from './documents.ts'
import { type Held, type IdentityState, type RememberedObject, specDigestOf } from './identity.ts'
import { memberOf } from './issue-text.ts'

const VERSION = 1

export interface Memory {
  readonly version: typeof VERSION
  readonly objects: readonly MemoryObject[]
  /** Document texts by digest; an object's document may be missing here. */
  readonly texts: Readonly<Record<string, string>>
}

interface MemoryObject extends RememberedObject {
  readonly key: string
  readonly path: string
  readonly line: number
  readonly document: Digest
}

export interface Restored {
  readonly state: IdentityState
  readonly remembered: ReadonlyMap<string, RememberedObject>
}

export function memoryOf(state: IdentityState): Memory {
  const texts = new Map<Digest, string>()
  const secret = new Set<Digest>()
  const objects: MemoryObject[] = []
  for (const [key, held] of state) {
    const { document, path, generation, admitted, firstSeen } = held
    objects.push({
      key,
      path,
      line: document.line,
      document: document.digest,
      generation,
      specDigest: specDigestOf(admitted),
      firstSeen,
    })
    texts.set(document.digest, document.text)
    if (admitted.key.kind === 'Secret') secret.add(document.digest)
  }
  for (const digest of secret) texts.delete(digest)
  return { version: VERSION, objects, texts: Object.fromEntries(texts) }
}

/** Lenient: what does not fit (another version, a schema that has become stricter) is left out. */
export function restoreMemory(value: unknown, unknownFields: UnknownFields): Restored {
  const state = new Map<string, Held>()
  const remembered = new Map<string, RememberedObject>()
  const objects = memberOf(value, 'objects')
  if (memberOf(value, 'version') !== VERSION || !Array.isArray(objects)) {
    return { state, remembered }
  }
  const texts = memberOf(value, 'texts')
  for (const object of objects.filter(isMemoryObject)) {
    const { key, generation, specDigest, firstSeen } = object
    remembered.set(key, { generation, specDigest, firstSeen })
    const text = memberOf(texts, object.document)
    const held = typeof text === 'string' ? restoreHeld(object, text, unknownFields) : undefined
    if (held !== undefined) state.set(key, held)
  }
  return { state, remembered }
}

function restoreHeld(
  object: MemoryObject,
  text: string,
  unknownFields: UnknownFields,
): Held | undefined {
  const { key, path, line, generation, firstSeen } = object
  const [document] = splitDocuments(text)
  if (document === undefined || document.digest !== object.document) return undefined
  const at = { ...document, line }
  for (const admitted of admitDocument(at, unknownFields)) {
    if (admitted.kind !== 'object' || keyText(admitted.key) !== key) continue
    return { path, document: at, admitted, stale: false, generation, firstSeen }
  }
  return undefined
}

function isMemoryObject(value: unknown): value is MemoryObject {
  const isText = (name: string) => typeof memberOf(value, name) === 'string'
  const isNumber = (name: string) => Number.isFinite(memberOf(value, name))
  return (
    ['key', 'path', 'document', 'specDigest'].every(isText) &&
    ['line', 'generation', 'firstSeen'].every(isNumber)
  )
}

/** Whether nothing that is remembered has changed: held objects are replaced, never altered. */
export function sameMemory(a: IdentityState | undefined, b: IdentityState): boolean {
  return a !== undefined && a.size === b.size && [...b].every(([key, held]) => a.get(key) === held)
}
