/** The arithmetic of the bench. Pure. */

/** Of at least one number. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('the median of nothing')
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2
}

/** How far apart the values lie, as a share of their median; 0 where all are equal. */
export function spread(values: readonly number[]): number {
  const middle = median(values)
  const width = Math.max(...values) - Math.min(...values)
  return width === 0 ? 0 : width / middle
}

export interface Ratio {
  readonly median: number
  readonly low: number
  readonly high: number
}

/** Of pairs: the n-th of both were measured in the same round. */
export function pairedRatio(ours: readonly number[], theirs: readonly number[]): Ratio {
  const ratios = ours.flatMap((own, round) => {
    const other = theirs[round]
    return other === undefined || other === 0 ? [] : [own / other]
  })
  return { median: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) }
}

/** A copy in random order (Fisher and Yates). `random`: 0 <= x < 1. */
export function shuffled<T>(items: readonly T[], random: () => number = Math.random): T[] {
  const rest = [...items]
  const order: T[] = []
  while (rest.length > 0) order.push(...rest.splice(Math.floor(random() * rest.length), 1))
  return order
}
