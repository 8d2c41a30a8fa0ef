/** `gwproxy status`: the objects with their conditions, as a table, or as kubectl would print them. */
import { stringify } from 'yaml'
import type { AdminClient } from '../control/admin/client.ts'
import type {
  ManifestObject,
  ReadyReport,
  StatusEntry,
  StatusReport,
} from '../control/admin/contract.ts'
import { formatOrigin } from '../model/diagnostic.ts'
import { isGood, isGoodWhenTrue } from '../model/status.ts'
import { countText, plural, printDiagnostics } from './diagnostics.ts'
import { EXIT, type Terminal, table } from './terminal.ts'

export type StatusOutput = 'table' | 'yaml' | 'json'

/** Exit 1 when something is wrong in the files, or asked for and not served. */
export async function showStatus(
  client: AdminClient,
  output: StatusOutput,
  terminal: Terminal,
): Promise<number> {
  const report = await client.get<StatusReport>('/status')
  const { reasons } = await readiness(client)
  switch (output) {
    case 'json':
      terminal.out(JSON.stringify(report, null, 2))
      break
    case 'yaml':
      terminal.out(
        report.objects
          .map((entry) => stringify(entry.object))
          .join('---\n')
          .trimEnd(),
      )
      break
    case 'table':
      terminal.out(statusTable(report.objects, terminal))
      if (report.problems.length > 0) {
        terminal.out('')
        printDiagnostics(report.problems, terminal)
        terminal.out(countText(report.problems))
      }
      if (reasons.length > 0) {
        terminal.out(['', ...reasons.map((reason) => notServed(reason, terminal))].join('\n'))
      }
  }
  const isClean =
    reasons.length === 0 && report.problems.every(({ severity }) => severity !== 'error')
  return isClean ? EXIT.ok : EXIT.problems
}

/** `gwproxy status --ready`: the state, what is wrong below it, and an exit code, for health checks. */
export async function showReady(
  client: AdminClient,
  output: StatusOutput,
  terminal: Terminal,
): Promise<number> {
  const { isReady, ...report } = await readiness(client)
  if (output === 'json') terminal.out(JSON.stringify(report))
  else terminal.out([report.state, ...report.reasons.map((reason) => `  ${reason}`)].join('\n'))
  return isReady ? EXIT.ok : EXIT.problems
}

async function readiness(client: AdminClient): Promise<ReadyReport & { isReady: boolean }> {
  const { status, body } = await client.send('GET', '/readyz')
  return { ...(body as ReadyReport), isReady: status === 200 }
}

function notServed(reason: string, terminal: Terminal): string {
  return `${terminal.style('red', 'error')}: ${reason}`
}

function statusTable(entries: readonly StatusEntry[], terminal: Terminal): string {
  const rows = entries.flatMap((entry) => rowsOf(entry, terminal))
  if (rows.length === 0) return 'No Gateway API objects are loaded.'
  const header = ['OBJECT', 'CONDITIONS', 'FROM'].map((title) => terminal.style('bold', title))
  return table([header, ...rows])
}

interface Section {
  readonly label: string
  readonly conditions: readonly ConditionShape[]
}

interface ConditionShape {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message?: string
}

/** One row for the object, one below it for each listener or parent. */
function rowsOf(entry: StatusEntry, terminal: Terminal): string[][] {
  const { object } = entry
  const sections = sectionsOf(object)
  if (sections.length === 0) return []
  const { namespace, name } = object.metadata as {
    readonly namespace?: string
    readonly name: string
  }
  const label = `${object.kind} ${namespace === undefined ? name : `${namespace}/${name}`}`
  const stale = entry.stale ? terminal.style('yellow', ' (last good version)') : ''
  return sections.map((section, index) => [
    index === 0 ? label + stale : `  ${section.label}`,
    section.conditions.map((condition) => conditionText(condition, terminal)).join(' '),
    index === 0 ? terminal.style('dim', formatOrigin(entry.origin)) : '',
  ])
}

function sectionsOf(object: ManifestObject): readonly Section[] {
  const status = object['status'] as Record<string, unknown> | undefined
  if (status === undefined) return []
  const own = { label: '', conditions: conditionsOf(status) }
  const children = [
    ...listOf(status['listeners']).map((listener) => ({
      label: `listener ${String(listener['name'])} (${plural(Number(listener['attachedRoutes']), 'route')})`,
      conditions: conditionsOf(listener),
    })),
    ...[...listOf(status['parents']), ...listOf(status['ancestors'])].map((parent) => {
      const reference = (parent['parentRef'] ?? parent['ancestorRef'] ?? {}) as Record<
        string,
        unknown
      >
      const section =
        reference['sectionName'] === undefined ? '' : `/${String(reference['sectionName'])}`
      return {
        label: `on ${String(reference['name'])}${section}`,
        conditions: conditionsOf(parent),
      }
    }),
  ]
  return [own, ...children]
}

function conditionsOf(holder: Record<string, unknown>): readonly ConditionShape[] {
  return listOf(holder['conditions']) as unknown as readonly ConditionShape[]
}

function listOf(value: unknown): readonly Record<string, unknown>[] {
  return Array.isArray(value) ? value : []
}

function conditionText(condition: ConditionShape, terminal: Terminal): string {
  if (isGood(condition)) return terminal.style('green', condition.type)
  const text = `${condition.type}=${condition.status}/${condition.reason}`
  return terminal.style(isGoodWhenTrue(condition.type) ? 'red' : 'yellow', text)
}
