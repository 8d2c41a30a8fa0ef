/**
 * Nothing in a valid object is silently ignored: every field of the CRDs in ../shared/gateway-api
 * (skipped when that directory is absent) is changed where it stands in a world of manifests. Then
 * the snapshot or a status changes, or a diagnostic calls the field unsupported. `fields.yaml` says
 * which fields are not obeyed; a line that is not true fails as well.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parse } from 'yaml'
import { findKind, isKindName } from '../../../src/api/kinds.ts'
import { type CrdVersion, loadCrds, type Schema, SHARED } from '../../support/crd.ts'
import { fieldsOf, type Leaf, leavesOf, variantsOf, withoutLeaf } from './leaves.ts'
import { loadWorlds, type Outcome, type Subject } from './worlds.ts'

const skip = existsSync(SHARED) ? false : 'no ../shared/gateway-api beside the repository'
const TABLE = parse(readFileSync(join(import.meta.dirname, 'fields.yaml'), 'utf8')) as Table

interface Table {
  readonly refused: Readonly<Record<string, readonly string[]>>
  readonly withoutEffect: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** How a field fares; `fixed`: a valid object can have no other value there. */
type Fate = 'used' | 'refused' | 'silent' | 'fixed'

/** Of several places the best one counts. */
const BEST: readonly Fate[] = ['used', 'refused', 'fixed', 'silent']

describe('every field of a valid object', { skip }, async () => {
  const crds = skip === false ? loadCrds() : []
  const subjects = (await loadWorlds()).flatMap((world) => world.subjects)
  for (const [kind, versions] of Map.groupBy(crds, (crd) => crd.kind)) {
    const own = subjects.filter((subject) => subject.kind === kind)
    if (!isKindName(kind)) {
      it(`of kind ${kind} is refused with its object`, () => checkUnknown(versions))
      continue
    }
    it(`of kind ${kind} is used, or refused by name`, () => checkKind(kind, versions, own))
    it(`of kind ${kind} means the same in all versions`, () => checkVersions(versions, own))
  }

  it('is spoken of by its right name in the table', () => {
    const kinds = [...Object.keys(TABLE.refused), ...Object.keys(TABLE.withoutEffect)]
    const known = new Set(crds.map(({ kind }) => kind))
    assert.deepEqual(
      kinds.filter((kind) => !known.has(kind)),
      [],
    )
  })
})

/** Upstream has kinds that gwproxy does not read; config/admit says so for each object. */
function checkUnknown(versions: readonly CrdVersion[]): void {
  for (const { apiVersion, kind } of versions) {
    assert.equal(findKind(apiVersion, kind).kind, 'unknown-kind')
  }
}

function checkKind(
  kind: string,
  versions: readonly CrdVersion[],
  subjects: readonly Subject[],
): void {
  const fields = new Set(versions.flatMap((crd) => [...fieldsOf(rootOf(crd))]))
  const fates = fatesOf(versions, subjects)
  const found = (fate: Fate | undefined): string[] =>
    [...fields].filter((field) => fates.get(field) === fate).sort()
  assert.deepEqual(found(undefined), [], 'stand in no world: add them to one')

  const refused = TABLE.refused[kind] ?? []
  const listed = [...fields].filter((field) => refused.some((name) => isWithin(field, name)))
  assert.deepEqual(found('refused'), listed.sort(), 'refused, against the table')
  for (const name of refused) {
    assert.ok(
      listed.some((field) => isWithin(field, name)),
      `${kind} has no field ${name}`,
    )
  }
  const harmless = Object.keys(TABLE.withoutEffect[kind] ?? {})
  assert.deepEqual(found('silent'), harmless.sort(), 'without effect, against the table')
}

function isWithin(field: string, name: string): boolean {
  return field === name || field.startsWith(`${name}.`) || field.startsWith(`${name}[`)
}

function rootOf({ spec }: CrdVersion): Schema {
  return { properties: { spec } }
}

function fatesOf(
  versions: readonly CrdVersion[],
  subjects: readonly Subject[],
): ReadonlyMap<string, Fate> {
  const fates = new Map<string, Fate>()
  for (const subject of subjects) {
    const crd = versions.find(({ apiVersion }) => apiVersion === subject.apiVersion)
    assert.ok(crd, `${subject.kind} ${subject.apiVersion} is served`)
    const verdict = crd.judge(subject.object['spec'])
    assert.ok(verdict.admitted, verdict.admitted ? '' : verdict.why)
    const judged = judgedBy(crd, subject)
    for (const leaf of leavesOf(rootOf(crd), { spec: subject.object['spec'] })) {
      if (fates.get(leaf.field) === 'used') continue
      const fate = fateOf(leaf, subject, judged)
      const known = fates.get(leaf.field) ?? 'silent'
      fates.set(leaf.field, BEST.indexOf(fate) < BEST.indexOf(known) ? fate : known)
    }
  }
  return fates
}

type Judged = (object: unknown) => Outcome | undefined

/** Outcomes of valid objects only. */
function judgedBy(crd: CrdVersion, { object, outcome }: Subject): Judged {
  const known = outcome(object)
  return (changed) => {
    if (changed === object) return known
    const { spec } = changed as { readonly spec?: unknown }
    return crd.judge(spec).admitted ? outcome(changed) : undefined
  }
}

function fateOf(leaf: Leaf, { object }: Subject, judged: Judged): Fate {
  const base = judged(object)
  assert.ok(base)
  if (base.names(leaf.path)) return fateOfRefused(leaf, object, judged)
  const [absent] = withoutLeaf(object, leaf)
  let others = 0
  for (const variant of [...variantsOf(object, leaf), absent]) {
    const outcome = judged(variant)
    if (outcome === undefined) continue
    if (differs(leaf, base, outcome)) return 'used'
    others += 1
  }
  return others === 0 ? fateOfHolder(leaf, object, base, judged) : 'silent'
}

/** A value that is not refused may stand there when it means what the field's absence means. */
function fateOfRefused(leaf: Leaf, object: unknown, judged: Judged): Fate {
  const [absent] = withoutLeaf(object, leaf)
  const without = judged(absent)
  for (const variant of variantsOf(object, leaf)) {
    const outcome = judged(variant)
    if (outcome === undefined || outcome.names(leaf.path)) continue
    if (outcome.text !== without?.text) return 'used'
  }
  return 'refused'
}

function differs({ path }: Leaf, a: Outcome, b: Outcome): boolean {
  return a.text !== b.text || a.names(path) !== b.names(path)
}

/** A discriminator cannot change alone: then it counts whether what it stands in does anything. */
function fateOfHolder(leaf: Leaf, object: unknown, base: Outcome, judged: Judged): Fate {
  for (const variant of withoutLeaf(object, leaf)) {
    const outcome = judged(variant)
    if (outcome !== undefined) return differs(leaf, base, outcome) ? 'used' : 'silent'
  }
  return 'fixed'
}

/** Fields that only older versions have would need a world of their own. */
function checkVersions(versions: readonly CrdVersion[], subjects: readonly Subject[]): void {
  for (const crd of versions) {
    for (const { object, outcome } of subjects) {
      const other = { ...object, apiVersion: crd.apiVersion }
      assert.equal(outcome(other)?.text, outcome(object)?.text, crd.apiVersion)
    }
  }
}
