/** Waiting for what nothing tells of: a file, memory given back, a counter of the system. */
import assert from 'node:assert/strict'

const POLL_MS = 25

/** Polls until it holds; fails with `problem()` after `limitMs`, generous for a busy machine. */
export async function until(
  holds: () => boolean,
  problem: () => string = () => 'never held',
  limitMs = 20_000,
): Promise<void> {
  const end = performance.now() + limitMs
  while (!holds()) {
    assert.ok(performance.now() < end, problem())
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

/** Resolves once `value()` has not changed for `stillMs`. */
export async function untilStill(value: () => number, stillMs = 500): Promise<void> {
  let seen = value()
  let since = performance.now()
  await until(() => {
    if (value() !== seen) {
      seen = value()
      since = performance.now()
    }
    return performance.now() - since >= stillMs
  })
}
