/** Time as a dependency, so that tests can own it. */

export interface Clock {
  /** Wall clock, milliseconds since the epoch. For time stamps only: it may jump. */
  now(): number
  /** Monotonic milliseconds. For deadlines and durations. */
  monotonic(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}
