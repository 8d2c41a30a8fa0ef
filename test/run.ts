/**
 * Runs the tests: `node test/run.ts [PART...]`, where a part is the start of a path below test/
 * (`unit`, `e2e/passthrough`). Without one, everything. `--together`: all files in one process.
 * Prints node:test's closing lines.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'

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
const TIMEOUT_MS = 120_000

const together = process.argv.includes('--together')
const parts = process.argv.slice(2).filter((argument) => argument !== '--together')
const names = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .filter((name) => parts.length === 0 || parts.some((part) => name.startsWith(part)))
  .sort()
  .sort((a, b) => turnOf(a) - turnOf(b))
const files = names.map((name) => join(import.meta.dirname, name))

if (files.length === 0) {
  console.error(`no test file matches ${parts.join(' ')}`)
  process.exit(1)
}
if (together) runTogether()
else runApart()

function turnOf(name: string): number {
  const turn = LONG.findIndex((start) => name.startsWith(start))
  return turn === -1 ? LONG.length : turn
}

/** Pure parts need no process each, and starting a hundred costs more than running them. */
function runTogether(): void {
  const flags = ['--test', '--test-isolation=none', '--test-reporter=spec']
  const { status } = spawnSync(
    process.execPath,
    [...flags, `--test-timeout=${TIMEOUT_MS}`, ...files],
    { stdio: 'inherit' },
  )
  process.exit(status ?? 1)
}

/** By the API, since `node --test` sorts its files. */
function runApart(): void {
  const stream = run({
    files,
    // node:test leaves a core free; these files wait half of their time, for processes that start.
    concurrency: Number(process.env['TEST_CONCURRENCY'] ?? 2 * availableParallelism()),
    timeout: TIMEOUT_MS,
    // A failed test may leave a server open: its file must end all the same.
    forceExit: true,
  })
  stream.on('test:fail', () => {
    process.exitCode = 1
  })
  stream.compose(spec).pipe(process.stdout)
}
