/**
 * Nothing in a valid object is silently ignored: every field is changed where it stands in a world of
 * manifests. Then the snapshot or a status changes, or a diagnostic refuses the field. `fields.yaml`
 * says which fields are not obeyed; a line that is not true fails as well. The fields are those of
 * the CRDs in ../shared/gateway-api (skipped when that directory is absent), and of the schemas of
 * our own for kinds that are none of the Gateway API.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parse } from 'yaml'
import { jsonSchemaOf } from '../../../src/api/json-schema.ts'
import { findKind, isKindName, KINDS } from '../../../src/api/kinds.ts'
import { type CrdVersion, loadCrds, type Schema, SHARED } from '../../support/crd.ts'
import { fieldsOf, type Leaf, leavesOf, variantsOf, withoutLeaf } from './leaves.ts'
import { loadWorlds, type Manifest, type Outcome, type Subject } from './worlds.ts'

const skip = existsSync(SHARED) ? false : 'no ../shared/gateway-api beside the repository'
const GUIDE = join(import.meta.dirname, '../../../docs/configuration.md')
const TABLE = parse(readFileSync(join(import.meta.dirname, 'fields.yaml'), 'utf8')) as Table

interface Table {
  readonly refused: Readonly<Record<string, readonly string[]>>
  readonly withoutEffect: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** How a field fares; `fixed`: a valid object can have no other value there. */
type Fate = 'used' | 'refused' | 'silent' | 'fixed'

/** Of several places the best one counts. */
const BEST: readonly Fate[] = ['used', 'refused', 'fixed', 'silent']

/** What every object has beside its own fields. */
const FRAME: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata', 'status'])

/** What an object of one kind may hold. */
interface Description {
  readonly kind: string
  readonly apiVersion: string
  readonly schema: Schema
  /** Whether the API server takes it. */
  readonly isValid: (object: Manifest) => boolean
}

describe('every field of a valid object', async () => {
  const crds = skip === false ? loadCrds() : []
  const inCrds = new Set(crds.map(({ kind }) => kind))
  const descriptions = [...crds.map(byCrd), ...companions()]
  const subjects = (await loadWorlds()).flatMap((world) => world.subjects)
  for (const [kind, versions] of Map.groupBy(descriptions, (one) => one.kind)) {
    const own = subjects.filter((subject) => subject.kind === kind)
    if (isKindName(kind)) {
      it(`of kind ${kind} is used, or refused by name`, () => checkKind(kind, versions, own))
      it(`of kind ${kind} means the same in all versions`, () => checkVersions(versions, own))
    } else it(`of kind ${kind} is refused with its object`, () => checkUnknown(versions))
  }

  it('is spoken of in the table by the name of its kind', { skip }, () => {
    const known = new Set(descriptions.map(({ kind }) => kind))
    for (const kind of [...Object.keys(TABLE.refused), ...Object.keys(TABLE.withoutEffect)]) {
      assert.ok(known.has(kind), kind)
    }
    assert.ok(inCrds.size >= 12)
  })

  it('is told of in the guide when it is not obeyed', () => {
    const guide = readFileSync(GUIDE, 'utf8')
    for (const name of Object.values(TABLE.refused).flat()) {
      const [last = ''] = name.match(/\w+$/) ?? []
      assert.match(guide, new RegExp(`\`${last}[\`:]`), name)
    }
  })
})

function byCrd({ kind, apiVersion, spec, judge }: CrdVersion): Description {
  const isValid = (object: Manifest): boolean => judge(object['spec']).admitted
  return { kind, apiVersion, schema: { properties: { spec } }, isValid }
}

/** What our own schemas let through is what there is of the other kinds. */
function companions(): readonly Description[] {
  return Object.values(KINDS)
    .filter(({ group }) => !group.startsWith('gateway.networking.'))
    .map(({ kind, group, versions: [version] }) => {
      const { properties = {} } = jsonSchemaOf(kind) as Schema
      const own = Object.entries(properties).filter(([name]) => !FRAME.has(name))
      return {
        kind,
        apiVersion: group === '' ? version : `${group}/${version}`,
        schema: { properties: Object.fromEntries(own) },
        isValid: () => true,
      }
    })
}

/** Upstream has kinds that gwproxy does not read; config/admit says so for each object. */
function checkUnknown(versions: readonly Description[]): void {
  for (const { apiVersion, kind } of versions) {
    assert.equal(findKind(apiVersion, kind).kind, 'unknown-kind')
  }
}

function checkKind(
  kind: string,
  versions: readonly Description[],
  subjects: readonly Subject[],
): void {
  const fields = new Set(versions.flatMap(({ schema }) => [...fieldsOf(schema)]))
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

function fatesOf(
  versions: readonly Description[],
  subjects: readonly Subject[],
): ReadonlyMap<string, Fate> {
  const fates = new Map<string, Fate>()
  for (const subject of subjects) {
    const description = versions.find(({ apiVersion }) => apiVersion === subject.apiVersion)
    assert.ok(description, `${subject.kind} ${subject.apiVersion} is known`)
    assert.ok(description.isValid(subject.object), JSON.stringify(subject.object))
    const judged = judgedBy(description, subject)
    for (const leaf of leavesOf(description.schema, subject.object)) {
      if (fates.get(leaf.field) === 'used') continue
      const fate = fateOf(leaf, subject.object, judged)
      const known = fates.get(leaf.field) ?? 'silent'
      fates.set(leaf.field, BEST.indexOf(fate) < BEST.indexOf(known) ? fate : known)
    }
  }
  return fates
}

type Judged = (object: Manifest | undefined) => Outcome | undefined

/** Outcomes of valid objects only. */
function judgedBy({ isValid }: Description, { object, outcome }: Subject): Judged {
  const known = outcome(object)
  return (changed) => {
    if (changed === object) return known
    return changed !== undefined && isValid(changed) ? outcome(changed) : undefined
  }
}

/**
 * Used: two values that are both obeyed, one of them perhaps none, make a difference; a reference that
 * leads to nothing is obeyed as well.
 */
function fateOf(leaf: Leaf, object: Manifest, judged: Judged): Fate {
  const base = judged(object)
  assert.ok(base)
  const [absent] = withoutLeaf(object, leaf)
  const isFaulty = base.faultAt(leaf.path) !== undefined
  const obeyed = isFaulty ? judged(absent) : base
  let others = 0
  let refusals = 0
  for (const variant of [...variantsOf(object, leaf), absent]) {
    const outcome = judged(variant)
    if (outcome === undefined) continue
    others += 1
    const fault = outcome.faultAt(leaf.path)
    if (fault === 'unsupported' || (isFaulty && fault !== undefined)) refusals += 1
    else if (outcome.text !== obeyed?.text) return 'used'
  }
  if (isFaulty || refusals > 0) return 'refused'
  return others === 0 ? fateOfHolder(leaf, object, base, judged) : 'silent'
}

/** A discriminator cannot change alone: then it counts whether what it stands in does anything. */
function fateOfHolder(leaf: Leaf, object: Manifest, base: Outcome, judged: Judged): Fate {
  for (const variant of withoutLeaf(object, leaf)) {
    const outcome = judged(variant)
    if (outcome !== undefined) return outcome.text === base.text ? 'silent' : 'used'
  }
  return 'fixed'
}

/** Fields that only older versions have would need a world of their own. */
function checkVersions(versions: readonly Description[], subjects: readonly Subject[]): void {
  for (const { apiVersion } of versions) {
    for (const { object, outcome } of subjects) {
      const other = { ...object, apiVersion }
      assert.equal(outcome(other)?.text, outcome(object)?.text, apiVersion)
    }
  }
}
