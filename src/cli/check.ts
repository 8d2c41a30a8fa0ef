/**
 * `gwproxy check`: the daemon's own load and translation, once, and what they found. Without
 * --offline the names of backends are looked up too.
 */
import { existsSync } from 'node:fs'
import { text as readText } from 'node:stream/consumers'
import type { ResourceSet } from '../api/resource-set.ts'
import type { Resource } from '../api/resource.ts'
import { loadOnce } from '../control/load-once.ts'
import { createLookUp, type LookUp } from '../control/name-resolver.ts'
import { translateOptionsOf } from '../control/options.ts'
import { type Diagnostic, formatPath, type DocumentPath } from '../model/diagnostic.ts'
import { displayKey } from '../model/resource-key.ts'
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

/** Host names of backends that do not resolve on this machine now: a warning, they may later. */
async function lookUpNames(resources: ResourceSet, lookUp: LookUp): Promise<Diagnostic[]> {
  const uses = [...namesOf(resources)]
  const found = await Promise.all(uses.map(({ name }) => lookUp(name)))
  return uses.flatMap(({ resource, path, name }, index) => {
    const result = found[index]
    if (result === undefined || result.kind === 'addresses') return []
    const why = result.kind === 'absent' ? 'no such name' : result.reason
    return {
      severity: 'warning',
      code: 'reference',
      origin: resource.locate(path),
      object: displayKey(resource.key),
      path: formatPath(path),
      message: `the name ${name} does not resolve here and now: ${why}`,
    }
  })
}

interface NameUse {
  readonly resource: Resource<unknown>
  readonly path: DocumentPath
  readonly name: string
}

function* namesOf(resources: ResourceSet): Generator<NameUse> {
  for (const resource of resources.services) {
    const { type, externalName } = resource.object.spec ?? {}
    if (type === 'ExternalName' && externalName !== undefined) {
      yield { resource, path: ['spec', 'externalName'], name: externalName }
    }
  }
  for (const resource of resources.endpointSlices) {
    if (resource.object.addressType !== 'FQDN') continue
    for (const [index, endpoint] of (resource.object.endpoints ?? []).entries()) {
      const [name] = endpoint.addresses
      if (name !== undefined) yield { resource, path: ['endpoints', index, 'addresses', 0], name }
    }
  }
}
