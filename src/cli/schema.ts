/** `gwproxy schema`: the daemon's own schemas as JSON Schema, for editors and other tools. */
import { jsonSchemaOf } from '../api/json-schema.ts'
import { isKindName, KINDS } from '../api/kinds.ts'
import { GwProxyError } from '../base/errors.ts'
import { EXIT, type Terminal, table } from './terminal.ts'

/** @throws GwProxyError GWP_OPTION_INVALID: there is no such kind */
export function schema(
  kind: string | undefined,
  output: 'text' | 'json',
  terminal: Terminal,
): number {
  if (kind !== undefined) {
    if (!isKindName(kind)) {
      throw new GwProxyError(
        'GWP_OPTION_INVALID',
        `no kind ${kind}; gwproxy schema lists them: ${Object.keys(KINDS).join(', ')}`,
      )
    }
    terminal.out(JSON.stringify(jsonSchemaOf(kind), null, 2))
    return EXIT.ok
  }
  const rows = Object.entries(KINDS).map(([name, { group, versions }]) => ({
    kind: name,
    apiVersions: versions.map((version) => (group === '' ? version : `${group}/${version}`)),
  }))
  if (output === 'json') terminal.out(JSON.stringify(rows, null, 2))
  else {
    const header = ['KIND', 'API VERSIONS'].map((title) => terminal.style('bold', title))
    terminal.out(table([header, ...rows.map((row) => [row.kind, row.apiVersions.join(', ')])]))
  }
  return EXIT.ok
}
