/** What the system says of processes that are not our children. */
import { readFileSync } from 'node:fs'

/** No such process, or one that has ended and waits for its parent to hear of it. */
export function isGone(pid: number): boolean {
  try {
    // The state follows the name in parentheses, which may hold anything.
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return true
  }
}
