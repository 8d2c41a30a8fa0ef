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
import { specArbitrary } from './spec-arbitrary.ts'

const RUNS = Number(process.env['ORACLE_RUNS'] ?? 300)
const skip = existsSync(SHARED) ? false : 'no ../shared/gateway-api beside the repository'

/** Kinds of the experimental channel that gwproxy does not read. */
const NOT_READ = ['XBackendTrafficPolicy', 'XMesh']

describe('the CRDs as oracle', { skip }, () => {
  for (const crd of skip === false ? loadCrds() : []) {
    if (NOT_READ.includes(crd.kind)) continue
    test(`${crd.kind} ${crd.apiVersion}: same verdicts and defaults`, () => compareOn(crd))
  }
})

function compareOn(crd: CrdVersion): void {
  const { apiVersion, kind } = crd
  const lookup = findKind(apiVersion, kind)
  assert.equal(lookup.kind, 'known', `${kind} ${apiVersion} is served upstream`)
  if (lookup.kind !== 'known') return
  const schema: ZodType = lookup.entry.schema
  const counts = { admitted: 0, refused: 0 }
  fc.assert(
    fc.property(specArbitrary(crd.spec), (spec) => {
      const object = { apiVersion, kind, metadata: { name: 'a' }, spec }
      const expected = crd.judge(spec)
      const actual = schema.safeParse(object)
      if (expected.admitted) {
        counts.admitted += 1
        if (isKnownStricter(actual)) return
        assert.ok(actual.success, `the CRD admits, gwproxy says: ${actual.error}`)
        assert.deepEqual((actual.data as { spec: unknown }).spec, expected.spec, 'defaults')
      } else {
        counts.refused += 1
        assert.ok(!actual.success, `the CRD refuses: ${expected.why}`)
      }
    }),
    { numRuns: RUNS },
  )
  // A generator that drifts to one side would make this test say nothing.
  assert.ok(counts.admitted > RUNS / 20, `${counts.admitted} of ${RUNS} admitted`)
  assert.ok(counts.refused > RUNS / 20, `${counts.refused} of ${RUNS} refused`)
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
