/**
 * Who each object is over time: duplicates, the last good version, generation and age (decisions 10
 * and 11, digest section 1.1). A pure step: (state, what the files give now) to (resources,
 * diagnostics, next state).
 *
 * A refused object keeps its last good version. A file that has text whose object cannot be told,
 * and a path that cannot be read, keep all that they last gave and do not give now.
 */
import { compareText } from '../base/byte-order.ts'
import type { Digest } from '../base/brand.ts'
import { digestOf } from '../base/digest.ts'
import { type Diagnostic, formatOrigin, type Origin } from '../model/diagnostic.ts'
import { displayKey, keyText, type ResourceKey } from '../model/resource-key.ts'
import type { Admitted, AdmittedObject, AnyObject, Finding } from './admit.ts'
import type { DocumentText } from './documents.ts'
import { isBelow } from './path-walk.ts'

/** A document of a file and what admission made of it. */
export interface GivenDocument {
  readonly document: DocumentText
  readonly admitted: readonly Admitted[]
}

export interface GivenFile {
  readonly path: string
  readonly documents: readonly GivenDocument[]
}

/** What one pass found. */
export interface Given {
  /** In byte order of their paths. */
  readonly files: readonly GivenFile[]
  /** Files and directories that could not be read. */
  readonly unreadable: readonly string[]
}

/** One object as it is served. */
export interface Held {
  readonly path: string
  readonly document: DocumentText
  readonly admitted: AdmittedObject
  /** An older version: the present text is broken or unreadable. */
  readonly stale: boolean
  readonly generation: number
  readonly specDigest: Digest
  /** Milliseconds since the epoch; kept over restarts by --state-dir only. */
  readonly firstSeen: number
}

export type IdentityState = ReadonlyMap<string, Held>

/** Remembered of an object over a restart. */
export interface RememberedObject {
  readonly generation: number
  readonly specDigest: Digest
  readonly firstSeen: number
}

export interface SettleOptions {
  /** Wall clock, milliseconds since the epoch: the first-seen time of new objects. */
  readonly now: number
  /** From --state-dir, by key text. */
  readonly remembered?: ReadonlyMap<string, RememberedObject>
}

export interface Settled {
  readonly held: IdentityState
  readonly diagnostics: readonly Diagnostic[]
}

interface Candidate {
  readonly path: string
  readonly document: DocumentText
  readonly admitted: AdmittedObject
}

/** What the files say about one key. */
interface Claim {
  readonly good: Candidate[]
  /** Files that name it in a form that is refused. */
  readonly refusedIn: string[]
}

export function settle(previous: IdentityState, given: Given, options: SettleOptions): Settled {
  const isKept = keptPaths(given)
  const diagnostics = findingsOf(given)
  const next = new Map<string, Held>()
  for (const [key, claim] of collectClaims(given)) {
    const before = previous.get(key)
    const chosen = choose(before, claim, isKept)
    const served =
      chosen === undefined ? before && stale(before) : advance(key, chosen, before, options)
    if (served === undefined) continue
    next.set(key, served)
    const others = claim.good.filter((candidate) => candidate !== chosen)
    if (others.length > 0) reportDuplicates(served, others, diagnostics)
  }
  for (const [key, before] of previous) {
    if (!next.has(key) && isKept(before.path)) next.set(key, stale(before))
  }
  return { held: next, diagnostics }
}

/** Every object that a file names, good or refused, by key text. */
function collectClaims(given: Given): Map<string, Claim> {
  const claims = new Map<string, Claim>()
  for (const { path, documents } of given.files) {
    for (const { document, admitted } of documents) {
      for (const one of admitted) {
        if (one.kind === 'foreign' || one.key === undefined) continue
        const claim = claimOf(claims, one.key)
        if (one.kind === 'object') claim.good.push({ path, document, admitted: one })
        else claim.refusedIn.push(path)
      }
    }
  }
  return claims
}

function claimOf(claims: Map<string, Claim>, key: ResourceKey): Claim {
  const text = keyText(key)
  const known = claims.get(text)
  if (known !== undefined) return known
  const claim: Claim = { good: [], refusedIn: [] }
  claims.set(text, claim)
  return claim
}

/**
 * The served copy stays: where the object was served from, else the first in byte order. Undefined:
 * the served copy's own file refuses or hides the object now, so its last good version stays.
 */
function choose(
  before: Held | undefined,
  claim: Claim,
  isKept: (path: string) => boolean,
): Candidate | undefined {
  if (before === undefined) return claim.good[0]
  const same = claim.good.find(({ path }) => path === before.path)
  if (same !== undefined) return same
  const isHeldBack = claim.refusedIn.includes(before.path) || isKept(before.path)
  return isHeldBack ? undefined : claim.good[0]
}

function advance(
  key: string,
  { path, document, admitted }: Candidate,
  before: Held | undefined,
  { now, remembered }: SettleOptions,
): Held {
  if (before?.admitted === admitted && before.path === path && !before.stale) {
    // Only its place within the file may have moved.
    return before.document.line === document.line ? before : { ...before, document }
  }
  const past = before ?? remembered?.get(key)
  const specDigest =
    before?.admitted === admitted ? before.specDigest : specDigestOf(admitted.object)
  return {
    path,
    document,
    admitted,
    stale: false,
    generation: generationOf(admitted.object, specDigest, past),
    specDigest,
    firstSeen: past?.firstSeen ?? now,
  }
}

/** metadata.generation wins; else a counter of changes of the spec. */
function generationOf(
  { metadata }: AnyObject,
  specDigest: Digest,
  past: RememberedObject | undefined,
): number {
  if (metadata.generation !== undefined) return metadata.generation
  if (past === undefined) return 1
  return past.specDigest === specDigest ? past.generation : past.generation + 1
}

/** Of `spec`; for kinds without one, of the object less metadata and status. */
function specDigestOf(object: AnyObject): Digest {
  if ('spec' in object) return digestOf(object.spec)
  return digestOf({ ...object, metadata: undefined, status: undefined, apiVersion: undefined })
}

function stale(held: Held): Held {
  return held.stale ? held : { ...held, stale: true }
}

/** Paths that may still mean what they last gave: unreadable, or with text that cannot be told. */
function keptPaths({ files, unreadable }: Given): (path: string) => boolean {
  const unclear = new Set(files.filter(hasUnknownObject).map(({ path }) => path))
  return (path) => unclear.has(path) || unreadable.some((other) => isBelow(other, path))
}

/** Broken YAML, an unknown kind or an object without a name: it may be any of those missing. */
function hasUnknownObject({ documents }: GivenFile): boolean {
  return documents.some(({ admitted }) =>
    admitted.some((one) => one.kind === 'refused' && one.key === undefined),
  )
}

function reportDuplicates(
  held: Held,
  others: readonly Candidate[],
  diagnostics: Diagnostic[],
): void {
  const served = originOf(held.path, held.document, held.admitted)
  for (const other of others) {
    const object = displayKey(other.admitted.key)
    const isCopy = digestOf(other.admitted.object) === digestOf(held.admitted.object)
    diagnostics.push({
      // A second copy that says the same changes nothing, until one of them is edited.
      severity: isCopy ? 'warning' : 'error',
      code: 'duplicate-object',
      origin: originOf(other.path, other.document, other.admitted),
      object,
      message: `${object} is already defined at ${formatOrigin(served)}, which is served`,
      help: 'Remove one of the two, or give it another name.',
    })
  }
}

/** Findings with their place in the file; kinds of others once each. */
function findingsOf(given: Given): Diagnostic[] {
  const diagnostics: Diagnostic[] = []
  const foreign = new Map<string, { readonly origin: Origin; count: number }>()
  for (const { path, documents } of given.files) {
    for (const { document, admitted } of documents) {
      for (const one of admitted) {
        if (one.kind !== 'foreign') {
          diagnostics.push(...one.findings.map((finding) => atFile(path, document, finding)))
          continue
        }
        const seen = foreign.get(one.name) ?? { origin: originOf(path, document, one), count: 0 }
        seen.count += 1
        foreign.set(one.name, seen)
      }
    }
  }
  for (const [name, { origin, count }] of [...foreign].sort(([a], [b]) => compareText(a, b))) {
    diagnostics.push({
      severity: 'warning',
      code: 'unknown-kind',
      origin,
      message: `${count === 1 ? 'one object' : `${count} objects`} of kind ${name} ignored: gwproxy does not read this kind`,
    })
  }
  return diagnostics
}

function atFile(path: string, document: DocumentText, { spot, ...finding }: Finding): Diagnostic {
  return { ...finding, origin: originOf(path, document, { spot }) }
}

/** The place in the file of a place in one of its documents. */
export function originOf(
  path: string,
  document: Pick<DocumentText, 'line'>,
  { spot }: { readonly spot: { readonly line: number; readonly column: number } },
): Origin {
  return { file: path, line: document.line + spot.line - 1, column: spot.column }
}
