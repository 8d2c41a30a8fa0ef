/**
 * Runs the tests: `node test/run.ts [PART...]`, where a part is the start of a path below test/
 * (`unit`, `e2e/passthrough`). Without one, everything. Prints node:test's closing lines.
 *
 * A file has a process of its own. Only those of pure parts share a few: to start one for each costs
 * more than to run them. The gwproxy that end-to-end tests start is what this builds of the checkout,
 * unless `TEST_LAUNCHER` names another; `TEST_LAUNCHER=bin/gwproxy` is the checkout as it is, with
 * the lines of src/ in its stacks.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { pathToFileURL } from 'node:url'
import { builtLauncher } from './support/built.ts'

/**
 * Begun first: at the end they would keep one core waiting. What wants a steady rate is longest, and
 * beside it run those that wait more than they compute.
 */
const LONG = [
  'e2e/upgrade-load',
  'e2e/attack-',
  'e2e/http-',
  'e2e/native-relay',
  'e2e/upgrade',
  'e2e/packaging',
  'e2e/example-',
]
const PURE = ['architecture', 'golden/', 'unit/']
const TIMEOUT_MS = 120_000
/** node:test leaves a core free; end-to-end files wait half of their time, for processes that start. */
const CONCURRENCY = Number(process.env['TEST_CONCURRENCY'] ?? 2 * availableParallelism())

const parts = process.argv.slice(2)
const names = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .filter((name) => parts.length === 0 || parts.some((part) => name.startsWith(part)))
  .sort()
if (names.length === 0) {
  console.error(`no test file matches ${parts.join(' ')}`)
  process.exit(1)
}
if (names.some((name) => name.startsWith('e2e/'))) {
  process.env['TEST_LAUNCHER'] = resolve(process.env['TEST_LAUNCHER'] ?? builtLauncher())
}
const scratch = mkdtempSync(join(tmpdir(), 'gwproxy-tests-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))

const { pure = [], apart = [] } = Object.groupBy(names, (name) =>
  startsWithOne(PURE, name) === -1 ? 'apart' : 'pure',
)
// By the API, since `node --test` sorts its files.
const stream = run({
  files: [...joined(pure), ...apart.sort((a, b) => turnOf(a) - turnOf(b)).map(pathOf)],
  concurrency: CONCURRENCY,
  timeout: TIMEOUT_MS,
  execArgv: ['--import', pathToFileURL(pathOf('support/end-anyway.ts')).href],
})
stream.on('test:fail', () => {
  process.exitCode = 1
})
stream.compose(spec).pipe(process.stdout)

/** Which of `starts` it is; -1: none. */
function startsWithOne(starts: readonly string[], name: string): number {
  return starts.findIndex((start) => name.startsWith(start))
}

function turnOf(name: string): number {
  const turn = startsWithOne(LONG, name)
  return turn === -1 ? LONG.length : turn
}

function pathOf(name: string): string {
  return join(import.meta.dirname, name)
}

/** Paths of files that import the named ones, neighbours together, as many as may run at a time. */
function joined(files: readonly string[]): readonly string[] {
  const size = Math.max(1, Math.ceil(files.length / CONCURRENCY))
  return Array.from({ length: Math.ceil(files.length / size) }, (_, index) => {
    const path = join(scratch, `pure-${index + 1}.mjs`)
    const own = files.slice(index * size, (index + 1) * size)
    const imports = own.map((name) => `import '${pathToFileURL(pathOf(name))}'\n`)
    writeFileSync(path, imports.join(''))
    return path
  })
}
