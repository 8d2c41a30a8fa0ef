/**
 * Fuzzes at will: `npm run fuzz -- [TARGET...] [--seconds N] [--seed N]`. A target is a file beside
 * this one that exports `prepare`. Each case has its own seed, printed when it finds something.
 */
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { seededRandom, type FuzzTarget } from './random.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_007) },
  },
})
const targets = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  .map((name) => basename(name, '.ts'))
  .filter((name) => !['run', 'random'].includes(name))
  .filter((name) => positionals.length === 0 || positionals.includes(name))
if (targets.length === 0) {
  console.error(`no target ${positionals.join(' ')}`)
  process.exit(2)
}
for (const name of targets) {
  const target = (await import(join(import.meta.dirname, `${name}.ts`))) as FuzzTarget
  const cases = await fuzz(name, target, Number(values.seed), Number(values.seconds) * 1000)
  console.log(`${name}: ${cases} cases, nothing found`)
}

async function fuzz(
  name: string,
  { prepare }: FuzzTarget,
  firstSeed: number,
  durationMs: number,
): Promise<number> {
  const run = await prepare()
  const end = performance.now() + durationMs
  let seed = firstSeed
  for (; performance.now() < end; seed++) {
    try {
      run(seededRandom(seed))
    } catch (error) {
      console.error(`${name}: seed ${seed}:`, error)
      process.exit(1)
    }
  }
  return seed - firstSeed
}
