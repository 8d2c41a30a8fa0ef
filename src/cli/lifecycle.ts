/** `gwproxy reload`, `upgrade` and `drain`: ask the running daemon and wait for its answer. */
import type { AdminClient } from '../control/admin/client.ts'
import type { ReloadReport, UpgradeReport } from '../control/admin/contract.ts'
import { countText, printDiagnostics } from './diagnostics.ts'
import { EXIT, type Terminal } from './terminal.ts'

/** Answers when the files as they are now serve; exit 1 when something of them does not. */
export async function reload(
  client: AdminClient,
  output: 'text' | 'json',
  terminal: Terminal,
): Promise<number> {
  const report = await client.post<ReloadReport>('/reload')
  const isClean = report.applied && !report.problems.some((problem) => problem.severity === 'error')
  if (output === 'json') terminal.out(JSON.stringify(report))
  else {
    printDiagnostics(report.problems, terminal)
    for (const { bind, error } of report.failedBinds) {
      terminal.out(`${terminal.style('red', 'error')}: ${bind}: ${error?.message ?? 'not bound'}`)
    }
    for (const refusal of report.refusals) {
      terminal.out(`${terminal.style('red', 'error')}: a worker kept its old runtime: ${refusal}`)
    }
    terminal.out(
      `Generation ${report.generation} after ${Math.round(report.durationMs)} ms: ${countText(report.problems)}.`,
    )
  }
  return isClean ? EXIT.ok : EXIT.problems
}

/** Answers when the new process serves; exit 1 when the old one goes on, with the reason. */
export async function upgrade(
  client: AdminClient,
  output: 'text' | 'json',
  terminal: Terminal,
): Promise<number> {
  const { from, build, pid, durationMs } = await client.post<UpgradeReport>('/upgrade')
  terminal.out(
    output === 'json'
      ? JSON.stringify({ from, build, pid, durationMs })
      : `gwproxy ${build} (pid ${pid}) serves after ${Math.round(durationMs)} ms; gwproxy ${from} drains.`,
  )
  return EXIT.ok
}

/** Returns as soon as the drain has begun; the process ends by itself. */
export async function drain(
  client: AdminClient,
  output: 'text' | 'json',
  terminal: Terminal,
): Promise<number> {
  await client.post('/drain')
  terminal.out(output === 'json' ? JSON.stringify({ draining: true }) : 'Draining.')
  return EXIT.ok
}
