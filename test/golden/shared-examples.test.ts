/**
 * Every example of the Gateway API project, alone and all together, against a committed table of
 * statuses. Reads `../shared/gateway-api` beside the repository (see its README) and is skipped
 * where the folder is absent. GOLDEN_UPDATE=1 rewrites the table for review.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { stringify } from 'yaml'
import { buildResourceSet } from '../../src/api/resource-set.ts'
import { systemClock } from '../../src/base/clock.ts'
import { Loader } from '../../src/config/loader.ts'
import { DEFAULT_CONTROLLER_NAME, DEFAULT_OPTIONS } from '../../src/translate/options.ts'
import { applyBindResults } from '../../src/translate/status/programmed.ts'
import { translate } from '../../src/translate/translate.ts'
import { GOLDEN_NOW } from './load.ts'
import { renderStatuses } from './render.ts'

const SHARED = resolve(import.meta.dirname, '../../../shared/gateway-api')
const FOLDERS = ['examples-standard', 'examples-experimental']
const TABLE = join(import.meta.dirname, 'shared-examples.yaml')

/** Some examples name a GatewayClass of this controller: a second look is taken in its name. */
const FOREIGN = 'acme.io/gateway-controller'

describe('examples of the Gateway API', {
  skip: existsSync(SHARED) ? false : 'no ../shared/gateway-api beside the repository',
}, () => {
  it('get the statuses of the committed table', () => {
    const files = FOLDERS.flatMap(yamlFiles)
    assert.ok(files.length >= 50)
    const alone = files.map((file) => [file, statusesOf([file], DEFAULT_CONTROLLER_NAME)] as const)
    const table = {
      alone: Object.fromEntries(alone),
      'all standard together': statusesOf(yamlFiles('examples-standard'), DEFAULT_CONTROLLER_NAME),
      'all experimental together': statusesOf(
        yamlFiles('examples-experimental'),
        DEFAULT_CONTROLLER_NAME,
      ),
      'all standard together, as their controller': statusesOf(
        yamlFiles('examples-standard'),
        FOREIGN,
      ),
    }
    const actual = stringify(table, { sortMapEntries: true, lineWidth: 0 })
    if (process.env['GOLDEN_UPDATE'] === '1') writeFileSync(TABLE, actual)
    assert.equal(actual, readFileSync(TABLE, 'utf8'))
  })
})

function yamlFiles(folder: string): readonly string[] {
  return readdirSync(join(SHARED, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => `${folder}/${name}`)
    .sort()
}

/** One line for each object. */
function statusesOf(
  files: readonly string[],
  controllerName: string,
): Readonly<Record<string, string>> {
  const loader = new Loader({
    roots: files.map((file) => join(SHARED, file)),
    unknownFields: 'reject',
    clock: systemClock,
  })
  const { resources, diagnostics } = loader.load()
  const refused = diagnostics.filter(
    ({ severity, code }) => severity === 'error' && code !== 'duplicate-object',
  )
  assert.deepEqual(
    refused.map(({ message, origin }) => `${origin.file}: ${message}`),
    [],
  )
  const { statuses, pending } = translate(buildResourceSet(resources), {
    ...DEFAULT_OPTIONS,
    controllerName,
    now: GOLDEN_NOW,
  })
  const binds = pending.flatMap((entry) => entry.binds.map((bind) => ({ bind })))
  const rendered = renderStatuses(applyBindResults(statuses, pending, binds))
  return Object.fromEntries(Object.entries(rendered).map(([name, body]) => [name, oneLine(body)]))
}

function oneLine(body: unknown): string {
  return stringify(body, { sortMapEntries: true, collectionStyle: 'flow', lineWidth: 0 }).trim()
}
