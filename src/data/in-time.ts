/** How long the tests at the start may take, of what this Node and this machine can do. */

/** Looked at in steps: a process that was kept busy, or from the processor, meanwhile is no failure. */
const LOOKS = 10

/** What `trial` gives. @throws what it throws, or that it took more than `LOOKS * lookMs` */
export async function inTime<T>(trial: Promise<T>, lookMs: number): Promise<T> {
  const { promise: tooLate, reject } = Promise.withResolvers<never>()
  let looks = 0
  const timer = setInterval(() => {
    looks++
    if (looks === LOOKS) reject(new Error('no answer in time'))
  }, lookMs)
  try {
    return await Promise.race([trial, tooLate])
  } finally {
    clearInterval(timer)
  }
}
