/** What the system says of processes that are not our children. */
import { readdirSync, readFileSync } from 'node:fs'

/** No such process, or one that has ended and waits for its parent to hear of it. */
export function isGone(pid: number): boolean {
  try {
    // The state follows the name in parentheses, which may hold anything.
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return true
  }
}

/**
 * After SIGSTOP. The signal waits for one thread of the process to have its turn; until then the others
 * go on, and may accept a connection.
 */
export function isStopped(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((thread) =>
    /\) T /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1')),
  )
}
