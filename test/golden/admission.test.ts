/**
 * Admission by golden pairs: `NAME.yaml` or `NAME.json` and `NAME.error.txt`, the diagnostics that
 * it gives. The expectation is written by hand first; GOLDEN_UPDATE=1 rewrites it for review.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, it } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { loadFiles } from '../../src/config/load-files.ts'
import { type Diagnostic, formatOrigin } from '../../src/model/diagnostic.ts'

const CASES = join(import.meta.dirname, 'cases-admission')
const inputs = readdirSync(CASES).filter((name) => /\.(yaml|json)$/.test(name))

describe('admission goldens', () => {
  it('exist', () => assert.ok(inputs.length >= 8))
  for (const name of inputs) {
    it(name.replace(/\.\w+$/, '').replaceAll('-', ' '), async () => {
      const actual = await diagnosticsOf(join(CASES, name))
      const golden = join(CASES, name.replace(/\.\w+$/, '.error.txt'))
      if (process.env['GOLDEN_UPDATE'] === '1') writeFileSync(golden, actual)
      assert.equal(actual, readFileSync(golden, 'utf8'))
    })
  }
})

async function diagnosticsOf(file: string): Promise<string> {
  const loaded = await loadFiles({ roots: [file], unknownFields: 'reject', clock: systemClock })
  const sorted = loaded.diagnostics.toSorted(
    (a, b) => a.origin.line - b.origin.line || a.origin.column - b.origin.column,
  )
  return sorted.map(line).join('')
}

function line(diagnostic: Diagnostic): string {
  const { origin, severity, code, object, path, message } = diagnostic
  const place = formatOrigin({ ...origin, file: basename(origin.file) })
  const subject = object === undefined ? '' : ` [${object}]`
  const where = path === undefined ? '' : ` ${path}:`
  return `${place} ${severity} ${code}${subject}${where} ${message}\n`
}
