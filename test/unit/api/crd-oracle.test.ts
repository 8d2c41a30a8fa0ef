/**
 * The schemas against the upstream CRDs in ../shared/gateway-api (skipped when that directory is
 * absent): on generated specs both give the same verdict and, when they admit, the same defaults.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { ZodSafeParseResult, ZodType } from 'zod'
import { findKind } from '../../../src/api/kinds.ts'
import { loadCrds, SHARED } from '../../support/crd.ts'
import type { CrdVersion } from '../../support/crd.ts'
import { boundaries } from './boundaries.ts'
import { specArbitrary } from './spec-arbitrary.ts'

const RUNS = Number(process.env['ORACLE_RUNS'] ?? 300)
const skip = existsSync(SHARED) ? false : 'no ../shared/gateway-api beside the repository'

/** Kinds of the experimental channel that gwproxy does not read. */
const NOT_READ = ['XBackendTrafficPolicy', 'XMesh']

describe('the CRDs as oracle', { skip }, () => {
  for (const crd of skip === false ? loadCrds() : []) {
    if (NOT_READ.includes(crd.kind)) continue
    const name = `${crd.kind} ${crd.apiVersion}`
    test(`${name}: same verdicts and defaults at the limits of every field`, () => checkLimits(crd))
    test(`${name}: same verdicts and defaults on generated specs`, () => checkGenerated(crd))
  }
})

function checkLimits(crd: CrdVersion): void {
  for (const { path, witness, variants } of boundaries(crd.spec)) {
    assert.ok(compare(crd, witness), `${path.join('.')}: ${JSON.stringify(crd.judge(witness))}`)
    for (const variant of variants) compare(crd, variant)
  }
}

function checkGenerated(crd: CrdVersion): void {
  const counts = { admitted: 0, refused: 0 }
  fc.assert(
    fc.property(specArbitrary(crd.spec), (spec) => {
      counts[compare(crd, spec) ? 'admitted' : 'refused'] += 1
    }),
    { numRuns: RUNS },
  )
  // A generator that drifts to one side would make this test say nothing.
  assert.ok(counts.admitted > RUNS / 50, `${counts.admitted} of ${RUNS} admitted`)
  assert.ok(counts.refused > RUNS / 50, `${counts.refused} of ${RUNS} refused`)
}

/** Whether the CRD admits the spec, after asserting that the schema agrees. */
function compare({ apiVersion, kind, judge }: CrdVersion, spec: unknown): boolean {
  const lookup = findKind(apiVersion, kind)
  assert.ok(lookup.kind === 'known', `${kind} ${apiVersion} is served upstream`)
  const schema: ZodType = lookup.entry.schema
  const expected = judge(spec)
  const actual = schema.safeParse({ apiVersion, kind, metadata: { name: 'a' }, spec })
  const text = () => JSON.stringify(spec)
  if (!expected.admitted) {
    assert.ok(!actual.success, `the CRD refuses ${text()}: ${expected.why}`)
  } else if (!isKnownStricter(actual)) {
    assert.ok(actual.success, `the CRD admits ${text()}: ${actual.error}`)
    assert.deepEqual(
      (actual.data as { spec: unknown }).spec,
      expected.spec,
      `defaults of ${text()}`,
    )
  }
  return expected.admitted
}

/**
 * Upstream's rule on ReplacePrefixMatch within backendRefs counts with exists_one, so that two such
 * backends escape it. gwproxy refuses them too: there is no prefix to replace.
 */
function isKnownStricter(result: ZodSafeParseResult<unknown>): boolean {
  const issues = result.error?.issues ?? []
  return (
    issues.length > 0 &&
    issues.every(
      ({ path, message }) => path.at(-1) === 'matches' && message.includes('ReplacePrefixMatch'),
    )
  )
}
