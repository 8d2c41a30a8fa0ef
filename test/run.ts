/**
 * Runs the tests: `node test/run.ts [PART...]`, where a part is the start of a path below test/
 * (`unit`, `e2e/passthrough`). Without one, everything. `--together`: all files in one process.
 * Prints node:test's closing lines.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'

const together = process.argv.includes('--together')
const parts = process.argv.slice(2).filter((argument) => argument !== '--together')
const files = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .filter((name) => parts.length === 0 || parts.some((part) => name.startsWith(part)))
  .sort()
  .map((name) => join(import.meta.dirname, name))

if (files.length === 0) {
  console.error(`no test file matches ${parts.join(' ')}`)
  process.exit(1)
}

const { status } = spawnSync(
  process.execPath,
  [
    '--test',
    '--test-timeout=120000',
    // Pure parts need no process each, and starting a hundred costs more than running them.
    // Elsewhere a failed test may leave a server open: its file must end all the same.
    together ? '--test-isolation=none' : '--test-force-exit',
    '--test-reporter=spec',
    // node:test leaves a core free; most of these files wait more than they compute.
    `--test-concurrency=${process.env['TEST_CONCURRENCY'] ?? availableParallelism()}`,
    ...files,
  ],
  { stdio: 'inherit' },
)
process.exit(status ?? 1)
