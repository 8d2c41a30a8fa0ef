/** Who did not win, the nearest first and only so many: a snapshot may have a hundred thousand. */
import type { Loser, Losers } from '../../model/explanation.ts'

const LISTED = 20

export const NO_LOSERS: Losers = { listed: [], more: 0 }

export interface Crowd<T> {
  /** As many as are to be listed, or all. */
  readonly nearestFirst: readonly T[]
  readonly count: number
}

/** `describe` is called for those that are listed. */
export function losersOf<T>(
  { nearestFirst, count }: Crowd<T>,
  describe: (one: T) => Loser,
): Losers {
  const listed = nearestFirst.slice(0, LISTED).map(describe)
  return { listed, more: count - listed.length }
}
