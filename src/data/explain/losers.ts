/** Who did not win, the nearest first and only so many: a snapshot may have a hundred thousand. */
import type { Loser, Losers } from '../../model/explanation.ts'

const LISTED = 20

export const NO_LOSERS: Losers = { listed: [], more: 0 }

/** `describe` is called for those that are listed. */
export function losersOf<T>(nearestFirst: readonly T[], describe: (one: T) => Loser): Losers {
  return {
    listed: nearestFirst.slice(0, LISTED).map(describe),
    more: Math.max(0, nearestFirst.length - LISTED),
  }
}
