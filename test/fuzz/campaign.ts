/**
 * Runs a fuzz target for a number of cases or seconds. Each case has a seed of its own, named with
 * what it found: `npm run fuzz -- TARGET --seed N --iterations 1` repeats it.
 */
import { type FuzzRandom, seededRandom } from './random.ts'

export interface FuzzTarget {
  readonly name: string
  /** Prepares the corpus; the returned function runs one case and throws on a finding. */
  prepare(): Promise<(random: FuzzRandom) => void | Promise<void>>
}

export interface Budget {
  readonly firstSeed: number
  readonly iterations?: number
  readonly seconds?: number
}

/** @returns the number of cases; throws an Error that names the seed of the first finding */
export async function runCampaign(target: FuzzTarget, budget: Budget): Promise<number> {
  const { firstSeed, iterations = Infinity, seconds = Infinity } = budget
  const run = await target.prepare()
  const end = performance.now() + seconds * 1000
  let cases = 0
  for (; cases < iterations && performance.now() < end; cases++) {
    const seed = firstSeed + cases
    try {
      // Most are done at once, and a turn for each would be most of their time.
      const pending = run(seededRandom(seed))
      if (pending !== undefined) await pending
    } catch (error) {
      throw new Error(`${target.name}: seed ${seed} finds something`, { cause: error })
    }
  }
  return cases
}
