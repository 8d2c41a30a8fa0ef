/**
 * Random directories drawn from the manifests of all golden cases: whatever stands side by side,
 * translation does not throw, and what it publishes is whole and consistent with its statuses.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type AnyResource, buildResourceSet } from '../../../src/api/resource-set.ts'
import { digestOf } from '../../../src/base/digest.ts'
import { compareSpecificity } from '../../../src/match/hostname.ts'
import type { ChainTable } from '../../../src/model/snapshot.ts'
import { digestOfPart } from '../../../src/translate/part-digest.ts'
import { DEFAULT_OPTIONS } from '../../../src/translate/options.ts'
import { type Translation, translate } from '../../../src/translate/translate.ts'
import { GOLDEN_NOW, loadTexts, splitText, withCertificates } from '../../golden/load.ts'

const CASES = resolve(import.meta.dirname, '../../golden/cases')
const pool = await loadPool()
const directory = fc.subarray([...pool], { minLength: 5, maxLength: 60 })
const options = { ...DEFAULT_OPTIONS, now: GOLDEN_NOW }

describe('translate, on any mixture of manifests', () => {
  it('has a pool to draw from', () => assert.ok(pool.length > 150))

  it('publishes whole manifests whose parts are what their digests say', () => {
    check(({ manifest, parts, keys }) => {
      for (const digest of manifest.binds) assert.equal(parts.get(digest)?.kind, 'bind')
      assert.equal(manifest.digest, digestOf(manifest.binds))
      const keyIds = new Set(keys.map(({ keyId }) => keyId))
      for (const [digest, part] of parts) {
        assert.equal(digestOfPart(part), digest)
        if (part.kind === 'certificate') assert.ok(keyIds.has(part.keyId))
      }
    })
  })

  it('sorts chains and listeners most specific first, each hostname once', () => {
    check((translation) => {
      for (const { chains, listeners } of tablesOf(translation)) {
        assertSorted(chains.map(({ hostname }) => hostname))
        assertSorted(listeners.map(({ hostname }) => hostname))
        const known = new Set(listeners.map(({ listener }) => listener))
        if (listeners.length > 0) {
          for (const { listener } of chains) assert.ok(known.has(listener))
        }
      }
    })
  })

  it('opens no address and port twice', () => {
    check(({ manifest, parts }) => {
      const keys = manifest.binds.map((digest) => {
        const part = parts.get(digest)
        assert.equal(part?.kind, 'bind')
        assert.ok(part.tables.length > 0)
        return part.key
      })
      assert.equal(new Set(keys).size, keys.length)
    })
  })
})

function check(property: (translation: Translation) => void): void {
  fc.assert(
    fc.property(directory, (resources) =>
      property(translate(buildResourceSet(resources), options)),
    ),
    { numRuns: 60 },
  )
}

async function loadPool(): Promise<readonly AnyResource[]> {
  const names = readdirSync(CASES).filter((name) => name.endsWith('.in.yaml'))
  const texts = names.map((name) => readFileSync(join(CASES, name), 'utf8'))
  const loaded = await Promise.all(
    texts.map(async (text) => loadTexts(splitText(await withCertificates(text)))),
  )
  return loaded.flat()
}

function tablesOf({ manifest, parts }: Translation): readonly ChainTable[] {
  return manifest.binds.flatMap((digest) => {
    const part = parts.get(digest)
    return part?.kind === 'bind' ? part.tables : []
  })
}

function assertSorted(hostnames: readonly string[]): void {
  assert.deepEqual(hostnames, [...new Set(hostnames)].sort(compareSpecificity))
}
