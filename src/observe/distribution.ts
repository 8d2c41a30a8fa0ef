/** A distribution of durations over the buckets of our histograms, as it is counted. */
import { BUCKETS } from './traffic-families.ts'

export class Distribution {
  /** One more than BUCKETS, not cumulative. */
  readonly buckets: number[] = new Array<number>(BUCKETS.length + 1).fill(0)
  /** Seconds. */
  sum = 0

  add(ms: number): void {
    const seconds = ms / 1000
    let index = 0
    while (index < BUCKETS.length && seconds > (BUCKETS[index] ?? 0)) index += 1
    this.buckets[index] = (this.buckets[index] ?? 0) + 1
    this.sum += seconds
  }

  addAll({ buckets, sum }: Distribution): void {
    for (const [index, count] of buckets.entries()) {
      this.buckets[index] = (this.buckets[index] ?? 0) + count
    }
    this.sum += sum
  }
}
