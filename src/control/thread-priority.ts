/**
 * How much of a core a thread gets when others of the process want it too. Linux has a nice value for
 * each thread, and everybody may raise their own; elsewhere nothing changes.
 */
import { readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { constants, getPriority, setPriority } from 'node:os'

/** Of two threads on a full core the nicer one gets a quarter, and waits for the other's short turns. */
const STEPS = 5

/** From now on the calling thread lets the process's others go first. */
export function letOthersGoFirst(): void {
  try {
    const thread = Number(basename(readlinkSync('/proc/thread-self')))
    const { PRIORITY_LOW } = constants.priority
    setPriority(thread, Math.min(getPriority(thread) + STEPS, PRIORITY_LOW))
  } catch {
    // No Linux, or no /proc: the scheduler divides as it sees fit.
  }
}
