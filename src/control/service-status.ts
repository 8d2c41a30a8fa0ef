/** The line of `systemctl status` that says what the service does. */
import type { ConfigUpdate } from '../ipc/messages.ts'
import type { ReadyReport, ReloadReport } from './admin/contract.ts'

/** Such as `serving generation 7: 12 objects of 3 files, 1 error`. */
export function serviceStatus(
  { generation, problems }: Pick<ReloadReport, 'generation' | 'problems'>,
  { files, objects, stale }: ConfigUpdate['counts'],
  { state, reasons }: ReadyReport,
): string {
  const errors = problems.filter(({ severity }) => severity === 'error').length
  const facts = [
    `${count(objects, 'object')} of ${count(files, 'file')}`,
    ...(stale === 0 ? [] : [`${stale} in the last good version`]),
    ...(errors === 0 ? [] : [count(errors, 'error')]),
  ]
  const trouble = state === 'ready' ? [] : [`${state}: ${reasons.join(', ')}`]
  return [`serving generation ${generation}: ${facts.join(', ')}`, ...trouble].join('; ')
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
