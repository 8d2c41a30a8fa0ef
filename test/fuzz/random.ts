/** Randomness that a seed repeats. */

export interface FuzzRandom {
  /** 0 <= result < bound. */
  below(bound: number): number
}

/** mulberry32: small, fast, and good enough to choose bytes. */
export function seededRandom(seed: number): FuzzRandom {
  let state = seed | 0
  return {
    below: (bound) => {
      state = (state + 0x6d2b79f5) | 0
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
      return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound)
    },
  }
}
