/**
 * `gwproxy check`: the daemon's own load and translation, once, and what they found. Without
 * --offline the names of backends are looked up too.
 */
import { existsSync } from 'node:fs'
import { text as readText } from 'node:stream/consumers'
import { loadOnce } from '../control/load-once.ts'
import { createLookUp } from '../control/name-resolver.ts'
import { translateOptionsOf } from '../control/options.ts'
import type { Diagnostic } from '../model/diagnostic.ts'
import { lookUpNames } from './backend-names.ts'
import {
  countText,
  type DiagnosticOutput,
  formatGithub,
  plural,
  printDiagnostics,
} from './diagnostics.ts'
import { type RunFlags, runOptionsOf } from './run-options.ts'
import { EXIT, type Terminal } from './terminal.ts'

export interface CheckFlags extends RunFlags {
  readonly offline?: boolean
  readonly failOn: 'error' | 'warning'
  readonly output: DiagnosticOutput
}

/** The place of standard input in diagnostics, as compilers write it. */
const STDIN = '-'

/** Exit 1 when a problem of at least the severity `--fail-on` was found. */
export async function check(
  paths: readonly string[],
  flags: CheckFlags,
  terminal: Terminal,
): Promise<number> {
  const options = runOptionsOf(flags)
  const roots = paths.length === 0 ? options.configDirs : paths.filter((path) => path !== STDIN)
  const texts = paths.includes(STDIN) ? [{ name: STDIN, text: await readText(process.stdin) }] : []
  const loaded = await loadOnce({
    roots,
    texts,
    unknownFields: options.unknownFields,
    credentialsDirectory: options.credentialsDirectory,
    translate: translateOptionsOf(options),
  })
  const problems = [
    ...roots.filter((root) => !existsSync(root)).map(missingPath),
    ...loaded.diagnostics.filter(({ code }) => code !== 'source-missing'),
    ...(flags.offline === true ? [] : await lookUpNames(loaded.resources, createLookUp())),
  ]
  report(problems, loaded.counts, flags.output, terminal)
  const isBad = problems.some(
    ({ severity }) =>
      severity === 'error' || (severity === 'warning' && flags.failOn === 'warning'),
  )
  return isBad ? EXIT.problems : EXIT.ok
}

function report(
  problems: readonly Diagnostic[],
  counts: { readonly files: number; readonly objects: number },
  output: DiagnosticOutput,
  terminal: Terminal,
): void {
  switch (output) {
    case 'json':
      terminal.out(JSON.stringify({ problems, counts }, null, 2))
      return
    case 'github':
      for (const problem of problems) terminal.out(formatGithub(problem))
      return
    case 'text':
      printDiagnostics(problems, terminal)
      terminal.out(
        `${plural(counts.objects, 'object')} in ${plural(counts.files, 'file')}: ${countText(problems)}`,
      )
  }
}

/** For a daemon a missing directory may still come; for a check it is a wrong path. */
function missingPath(path: string): Diagnostic {
  return {
    severity: 'error',
    code: 'source-missing',
    origin: { file: path, line: 1, column: 1 },
    message: 'there is no such file or directory',
  }
}
