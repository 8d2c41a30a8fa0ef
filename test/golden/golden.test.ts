/**
 * Translation by golden pairs: `cases/NAME.in.yaml` and `cases/NAME.out.yaml`. The statuses are
 * written by hand from the specification first; GOLDEN_UPDATE=1 rewrites the files for review.
 * Each case also runs in other orders and as a cluster would hand out the same objects.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { DEFAULT_OPTIONS, type TranslateOptions } from '../../src/translate/options.ts'
import { translate } from '../../src/translate/translate.ts'
import { asFromCluster, GOLDEN_NOW, resourceSetOf, splitText, withCertificates } from './load.ts'
import { type BindErrors, renderTranslation } from './render.ts'

const CASES = join(import.meta.dirname, 'cases')
const names = readdirSync(CASES)
  .filter((name) => name.endsWith('.in.yaml'))
  .map((name) => name.slice(0, -'.in.yaml'.length))

describe('translation goldens', () => {
  it('exist', () => assert.ok(names.length >= 20))
  for (const name of names) it(name.replaceAll('-', ' '), () => checkCase(name))
})

async function checkCase(name: string): Promise<void> {
  const input = readFileSync(join(CASES, `${name}.in.yaml`), 'utf8')
  const options: TranslateOptions = {
    ...DEFAULT_OPTIONS,
    now: GOLDEN_NOW,
    ...(headerOf(input, 'options') as Partial<TranslateOptions>),
  }
  const bindErrors = headerOf(input, 'bind-errors') as BindErrors
  const documents = splitText(await withCertificates(input))
  const run = (texts: readonly string[]): string =>
    renderTranslation(translate(resourceSetOf(texts), options), bindErrors)

  const actual = run(documents)
  const golden = join(CASES, `${name}.out.yaml`)
  if (process.env['GOLDEN_UPDATE'] === '1') writeFileSync(golden, actual)
  assert.equal(actual, readFileSync(golden, 'utf8'))
  assert.equal(run(documents.toReversed()), actual, 'the order of files changes nothing')
  assert.equal(run(asFromCluster(documents)), actual, 'objects of a cluster mean the same')
}

/**
 * Leading lines of JSON: `# options: {…}` sets options of the command line, `# bind-errors: {…}` names
 * sockets that fail, or have not answered.
 */
function headerOf(input: string, name: string): unknown {
  return JSON.parse(new RegExp(`^# ${name}: (.*)$`, 'm').exec(input)?.[1] ?? '{}')
}
