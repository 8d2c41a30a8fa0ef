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
import { windowOf } from '../base/lists.ts'
import { type Diagnostic, formatOrigin, type Origin } from '../model/diagnostic.ts'
import { displayKey, keyText } from '../model/resource-key.ts'
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
  /** What `previous` came from: files that are the same then cost nothing. */
  readonly after?: Settled
}

export interface Settled {
  readonly held: IdentityState
  readonly diagnostics: readonly Diagnostic[]
  /** How many are served from an older version. */
  readonly stale: number
  readonly summaries: readonly Summary[]
  /** Each object is defined once, and well, and nothing else is served. */
  readonly isPlain: boolean
}

export interface Candidate {
  readonly path: string
  readonly document: DocumentText
  readonly admitted: AdmittedObject
}

/** What the files say about one key. */
export interface Claim {
  readonly good: readonly Candidate[]
  /** Files that name it in a form that is refused. */
  readonly refusedIn: readonly string[]
}

export function settle(previous: IdentityState, given: Given, options: SettleOptions): Settled {
  const summaries = given.files.map(summaryOf)
  const { after } = options
  if (after?.held === previous && after.isPlain && given.unreadable.length === 0) {
    const edited = settleEdits(after, summaries, options)
    if (edited !== undefined) return edited
  }
  const isKept = keptPaths(given, summaries)
  const diagnostics = findingsOf(summaries)
  const next = new Map<string, Held>()
  let kept = 0
  for (const [key, claim] of mergeClaims(summaries)) {
    const before = previous.get(key)
    const chosen = choose(before, claim, isKept)
    const served =
      chosen === undefined ? before && stale(before) : advance(key, chosen, before, options)
    if (served === undefined) continue
    next.set(key, served)
    if (before !== undefined) kept += 1
    if (claim.good.length > (chosen === undefined ? 0 : 1)) {
      const others = claim.good.filter((candidate) => candidate !== chosen)
      reportDuplicates(served, others, diagnostics)
    }
  }
  if (kept < previous.size) {
    for (const [key, before] of previous) {
      if (!next.has(key) && isKept(before.path)) next.set(key, stale(before))
    }
  }
  const claims = summaries.reduce((sum, one) => sum + one.claims.size, 0)
  const isPlain =
    given.unreadable.length === 0 && claims === next.size && summaries.every(isPlainSummary)
  return { held: next, diagnostics, stale: countStale(next), summaries, isPlain }
}

/**
 * From one plain state to the next, by the files that are others: those have the same objects in the
 * same order as before. undefined: it is not as simple as that.
 */
function settleEdits(
  after: Settled,
  summaries: readonly Summary[],
  options: SettleOptions,
): Settled | undefined {
  const { start, removed, inserted } = windowOf(after.summaries, summaries)
  if (removed !== inserted) return undefined
  const held = new Map(after.held)
  for (const [offset, now] of summaries.slice(start, start + inserted).entries()) {
    const before = after.summaries[start + offset]
    if (before === undefined || !isPlainSummary(now) || !areSameObjects(before, now))
      return undefined
    for (const [key, { good }] of now.claims) {
      const [candidate] = good
      if (candidate !== undefined) held.set(key, advance(key, candidate, held.get(key), options))
    }
  }
  return { held, diagnostics: findingsOf(summaries), stale: 0, summaries, isPlain: true }
}

function isPlainSummary({ claims, hasUnknownObject }: Summary): boolean {
  if (hasUnknownObject) return false
  for (const { good, refusedIn } of claims.values()) {
    if (good.length !== 1 || refusedIn.length > 0) return false
  }
  return true
}

function areSameObjects(a: Summary, b: Summary): boolean {
  if (a.claims.size !== b.claims.size) return false
  const others = b.claims.keys()
  for (const key of a.claims.keys()) if (others.next().value !== key) return false
  return true
}

function countStale(held: IdentityState): number {
  let count = 0
  for (const one of held.values()) if (one.stale) count += 1
  return count
}

/** What a file says, whatever the others do. */
export interface Summary {
  readonly path: string
  /** Every object that it names, good or refused, by key text. */
  readonly claims: ReadonlyMap<string, Claim>
  readonly findings: readonly Diagnostic[]
  /** Kinds of others. */
  readonly foreign: readonly { readonly name: string; readonly origin: Origin }[]
  readonly hasUnknownObject: boolean
}

/** Most files are the same from pass to pass, and so is what they say. */
const summaries = new WeakMap<GivenFile, Summary>()

function summaryOf(file: GivenFile): Summary {
  const known = summaries.get(file) ?? summarise(file)
  summaries.set(file, known)
  return known
}

function summarise({ path, documents }: GivenFile): Summary {
  const claims = new Map<string, Claim>()
  const findings: Diagnostic[] = []
  const foreign: { readonly name: string; readonly origin: Origin }[] = []
  let hasUnknownObject = false
  for (const { document, admitted } of documents) {
    for (const one of admitted) {
      if (one.kind === 'foreign') {
        foreign.push({ name: one.name, origin: originOf(path, document, one) })
        continue
      }
      findings.push(...one.findings.map((finding) => atFile(path, document, finding)))
      // Broken YAML, an unknown kind or an object without a name: it may be any of those missing.
      if (one.key === undefined) hasUnknownObject = true
      else addClaim(claims, keyText(one.key), claimBy(path, document, one))
    }
  }
  return { path, claims, findings, foreign, hasUnknownObject }
}

function claimBy(
  path: string,
  document: DocumentText,
  admitted: Exclude<Admitted, { readonly kind: 'foreign' }>,
): Claim {
  return admitted.kind === 'object'
    ? { good: [{ path, document, admitted }], refusedIn: [] }
    : { good: [], refusedIn: [path] }
}

function mergeClaims(all: readonly Summary[]): ReadonlyMap<string, Claim> {
  const merged = new Map<string, Claim>()
  for (const { claims } of all) {
    for (const [key, claim] of claims) addClaim(merged, key, claim)
  }
  return merged
}

function addClaim(claims: Map<string, Claim>, key: string, claim: Claim): void {
  const known = claims.get(key)
  const both = known && {
    good: [...known.good, ...claim.good],
    refusedIn: [...known.refusedIn, ...claim.refusedIn],
  }
  claims.set(key, both ?? claim)
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
  const generation =
    before?.admitted === admitted
      ? before.generation
      : generationOf(admitted, before, remembered?.get(key))
  return { path, document, admitted, stale: false, generation, firstSeen: past?.firstSeen ?? now }
}

/** metadata.generation wins; else a counter of changes of the spec. */
function generationOf(
  admitted: AdmittedObject,
  before: Held | undefined,
  remembered: RememberedObject | undefined,
): number {
  const { generation } = admitted.object.metadata
  if (generation !== undefined) return generation
  const past = before ?? remembered
  if (past === undefined) return 1
  const digest = 'admitted' in past ? specDigestOf(past.admitted) : past.specDigest
  return digest === specDigestOf(admitted) ? past.generation : past.generation + 1
}

/** Asked for when an object changes, or is remembered: most never are. */
const specDigests = new WeakMap<AdmittedObject, Digest>()

export function specDigestOf(admitted: AdmittedObject): Digest {
  const known = specDigests.get(admitted) ?? digestSpec(admitted.object)
  specDigests.set(admitted, known)
  return known
}

/** Of `spec`; for kinds without one, of the object less metadata and status. */
function digestSpec(object: AnyObject): Digest {
  if ('spec' in object) return digestOf(object.spec)
  return digestOf({ ...object, metadata: undefined, status: undefined, apiVersion: undefined })
}

function stale(held: Held): Held {
  return held.stale ? held : { ...held, stale: true }
}

/** Paths that may still mean what they last gave: unreadable, or with text that cannot be told. */
function keptPaths({ unreadable }: Given, all: readonly Summary[]): (path: string) => boolean {
  const unclear = new Set(
    all.flatMap(({ path, hasUnknownObject }) => (hasUnknownObject ? path : [])),
  )
  return (path) => unclear.has(path) || unreadable.some((other) => isBelow(other, path))
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
function findingsOf(all: readonly Summary[]): Diagnostic[] {
  const diagnostics = all.flatMap(({ findings }) => findings)
  const foreign = new Map<string, { readonly origin: Origin; count: number }>()
  for (const { name, origin } of all.flatMap((one) => one.foreign)) {
    const seen = foreign.get(name) ?? { origin, count: 0 }
    seen.count += 1
    foreign.set(name, seen)
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
