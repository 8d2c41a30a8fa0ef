/**
 * `gwproxy check` as a user runs it: every broken fixture is named at its place, exit codes and
 * formats are as documented. That the examples are clean is in the examples' own tests.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import type { Diagnostic } from '../../src/model/diagnostic.ts'
import { type CommandOptions, type CommandResult, command } from '../support/command.ts'
import { LAUNCHER } from '../support/launcher.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const BROKEN = join(ROOT, 'test/fixtures/broken')

function gwproxy(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return command(LAUNCHER, args, options)
}

interface Expectation {
  readonly line: number
  readonly column: number
  readonly severity: string
  readonly text: RegExp
}

/** The `# expect:` lines at the head of a fixture. */
function expectationsOf(file: string): Expectation[] {
  const lines = readFileSync(file, 'utf8').matchAll(
    /^# expect: (\d+):(\d+) (error|warning) (?:\(\?([a-z]+)\))?(.*)$/gm,
  )
  return [...lines].map(([, line, column, severity = '', flags = '', pattern = '']) => ({
    line: Number(line),
    column: Number(column),
    severity,
    text: new RegExp(pattern, flags),
  }))
}

describe('gwproxy check on broken fixtures', () => {
  for (const name of readdirSync(BROKEN).filter((entry) => entry.endsWith('.yaml'))) {
    it(`names the place in ${name}`, async () => {
      const file = join(BROKEN, name)
      const expected = expectationsOf(file)
      assert.ok(expected.length > 0, 'the fixture says what is expected')
      const { code, stdout, stderr } = await gwproxy(['check', '--offline', '-o', 'json', file])
      const { problems } = JSON.parse(stdout || '{"problems":[]}') as { problems: Diagnostic[] }
      const found = problems.map(
        ({ origin, severity }) => `${origin.line}:${origin.column} ${severity}`,
      )
      assert.deepEqual(
        found.sort(),
        expected.map(({ line, column, severity }) => `${line}:${column} ${severity}`).sort(),
        `${stdout}\n${stderr}`,
      )
      for (const { line, text } of expected) {
        const problem = problems.find(({ origin }) => origin.line === line)
        assert.match(`${problem?.message}\n${problem?.help ?? ''}`, text)
        assert.equal(problem?.origin.file, file)
      }
      const hasError = expected.some(({ severity }) => severity === 'error')
      assert.equal(code, hasError ? 1 : 0)
    })
  }
})

describe('gwproxy check as a command', () => {
  const fixture = join(BROKEN, 'unknown-field.yaml')

  it('prints file:line:column, the object, the path, and counts', async () => {
    const { code, stdout } = await gwproxy(['check', '--offline', fixture])
    assert.equal(code, 1)
    assert.ok(stdout.startsWith(`${fixture}:12:7: error: `), stdout)
    assert.match(stdout, /in Gateway default\/broken, spec\.listeners\[0\]/)
    assert.match(stdout, /1 error, 0 warnings/)
  })

  it('reads standard input', async () => {
    const input = readFileSync(fixture)
    const { code, stdout } = await gwproxy(['check', '--offline', '-'], { input })
    assert.equal(code, 1)
    assert.match(stdout, /^-:12:7: error/)
  })

  it('annotates for GitHub', async () => {
    const { stdout } = await gwproxy(['check', '--offline', '-o', 'github', fixture])
    assert.match(stdout, /^::error file=[^,]*unknown-field\.yaml,line=12,col=7,title=[^:]*::/)
  })

  it('fails on warnings when told so', async () => {
    const file = join(BROKEN, 'attached-nowhere.yaml')
    assert.equal((await gwproxy(['check', '--offline', file])).code, 0)
    assert.equal((await gwproxy(['check', '--offline', '--fail-on', 'warning', file])).code, 1)
  })

  it('an empty directory is worth a warning', async () => {
    const empty = mkdtempSync(join(tmpdir(), 'gwproxy-empty-'))
    const { code, stdout } = await gwproxy(['check', '--offline', '--config', empty])
    rmSync(empty, { recursive: true })
    assert.equal(code, 0)
    assert.match(stdout, /warning: there is no manifest here, so nothing is served/)
  })

  it('a path that does not exist is a problem, a wrong flag is wrong usage', async () => {
    const missing = await gwproxy(['check', '--offline', join(BROKEN, 'no-such-file.yaml')])
    assert.equal(missing.code, 1)
    assert.match(missing.stdout, /no-such-file\.yaml/)
    assert.equal((await gwproxy(['check', '--fail-on', 'never'])).code, 2)
  })
})
