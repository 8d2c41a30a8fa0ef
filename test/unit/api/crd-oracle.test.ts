/**
 * The schemas against the upstream CRDs in ../shared/gateway-api (skipped when that directory is
 * absent): on generated specs both give the same verdict and, when they admit, the same defaults.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import type { ZodError, ZodType } from 'zod'
import { findKind } from '../../../src/api/kinds.ts'
import { loadCrds, SHARED } from '../../support/crd.ts'
import type { CrdVersion, Verdict } from '../../support/crd.ts'
import { boundaries } from './boundaries.ts'
import { specArbitrary } from './spec-arbitrary.ts'

const RUNS = Number(process.env['ORACLE_RUNS'] ?? 300)
const skip = existsSync(SHARED) ? false : 'no ../shared/gateway-api beside the repository'

/** Kinds of the experimental channel that gwproxy does not read. */
const NOT_READ = ['XBackendTrafficPolicy', 'XMesh']

describe('the CRDs as oracle', { skip }, () => {
  const crds = skip === false ? loadCrds() : []
  for (const versions of Map.groupBy(crds, ({ judge }) => judge).values()) {
    const [{ kind, spec, judge }] = versions as [CrdVersion]
    if (NOT_READ.includes(kind)) continue
    const crd = { kind, spec, judge, apiVersions: versions.map(({ apiVersion }) => apiVersion) }
    const name = `${kind} ${crd.apiVersions.join(', ')}`
    test(`${name}: same verdicts and defaults at the limits of every field`, () => checkLimits(crd))
    test(`${name}: same verdicts and defaults on generated specs`, () => checkGenerated(crd))
  }
})

/** What an object of one kind may hold, in the versions that say the same of it. */
interface Alike extends Pick<CrdVersion, 'kind' | 'spec' | 'judge'> {
  readonly apiVersions: readonly string[]
}

function checkLimits(crd: Alike): void {
  for (const { path, witness, variants } of boundaries(crd.spec)) {
    if (!compare(crd, witness)) {
      assert.fail(`${path.join('.')}: ${JSON.stringify(crd.judge(witness))}`)
    }
    for (const variant of variants) compare(crd, variant)
  }
}

function checkGenerated(crd: Alike): void {
  const counts = { admitted: 0, refused: 0 }
  fc.assert(
    fc.property(specArbitrary(crd.spec), (spec) => {
      counts[compare(crd, spec) ? 'admitted' : 'refused'] += 1
    }),
    { numRuns: RUNS },
  )
  // A generator that drifts to one side would make this test say nothing.
  assert.ok(counts.admitted > RUNS / 150, `${counts.admitted} of ${RUNS} admitted`)
  assert.ok(counts.refused > RUNS / 150, `${counts.refused} of ${RUNS} refused`)
}

/** Whether the CRD admits the spec, after asserting that the schema agrees in each version. */
function compare({ apiVersions, kind, judge }: Alike, spec: unknown): boolean {
  const expected = judge(spec)
  for (const apiVersion of apiVersions) compareVersion(apiVersion, kind, spec, expected)
  return expected.admitted
}

function compareVersion(apiVersion: string, kind: string, spec: unknown, expected: Verdict): void {
  const lookup = findKind(apiVersion, kind)
  assert.ok(lookup.kind === 'known', `${kind} ${apiVersion} is served upstream`)
  const schema: ZodType = lookup.entry.schema
  const actual = schema.safeParse({ apiVersion, kind, metadata: { name: 'a' }, spec })
  // Texts of failures are made for failures only: there are ten thousand specs.
  if (!expected.admitted) {
    if (actual.success) assert.fail(`the CRD refuses ${JSON.stringify(spec)}: ${expected.why}`)
  } else if (!actual.success) {
    if (isKnownStricter(actual.error)) return
    assert.fail(`the CRD admits ${JSON.stringify(spec)}: ${actual.error}`)
  } else {
    const { spec: own } = actual.data as { spec: unknown }
    if (isDeepStrictEqual(own, expected.spec)) return
    assert.deepEqual(own, expected.spec, `defaults of ${JSON.stringify(spec)}`)
  }
}

/**
 * Upstream's rule on ReplacePrefixMatch within backendRefs counts with exists_one, so that two such
 * backends escape it. gwproxy refuses them too: there is no prefix to replace.
 */
function isKnownStricter({ issues }: ZodError): boolean {
  return (
    issues.length > 0 &&
    issues.every(
      ({ path, message }) => path.at(-1) === 'matches' && message.includes('ReplacePrefixMatch'),
    )
  )
}
