/**
 * Smooth weighted round robin, the algorithm of nginx (ngx_http_upstream_round_robin): exact shares
 * over a cycle of the sum of the weights, spread evenly inside it, no random numbers.
 */

export interface Position {
  /** The next index, or -1 when no weight is positive. O(n), no allocation. */
  next(): number
}

/** A position that never moves, the same for all lists that have it: most routes have one backend. */
export function fixedPosition(weights: readonly number[]): Position | undefined {
  const first = weights.findIndex((weight) => weight > 0)
  if (weights.some((weight, index) => weight > 0 && index !== first)) return undefined
  const known = FIXED.get(first) ?? { next: () => first }
  FIXED.set(first, known)
  return known
}

/** By the index that is always next. */
const FIXED = new Map<number, Position>()

/** A position in the cycle, shared by all backend sets of one id while their weights are equal. */
export class SmoothWeights implements Position {
  readonly #weights: readonly number[]
  readonly #current: number[]
  readonly #total: number

  /** Weights are integers from 0 to 1,000,000. */
  constructor(weights: readonly number[]) {
    this.#weights = weights
    this.#current = weights.map(() => 0)
    this.#total = weights.reduce((sum, weight) => sum + weight, 0)
  }

  next(): number {
    if (this.#total === 0) return -1
    let best = -1
    let most = Number.NEGATIVE_INFINITY
    for (let i = 0; i < this.#weights.length; i++) {
      const weight = this.#weights[i] ?? 0
      if (weight === 0) continue
      const current = (this.#current[i] ?? 0) + weight
      this.#current[i] = current
      if (current > most) {
        most = current
        best = i
      }
    }
    this.#current[best] = most - this.#total
    return best
  }
}
