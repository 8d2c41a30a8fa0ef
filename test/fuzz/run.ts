/**
 * Fuzzes at will: `npm run fuzz -- [TARGET...] [--seconds N | --iterations N] [--seed N]`. Without
 * a budget 30 seconds for each target; a seed is chosen and printed. Exit 1: something was found.
 */
import { parseArgs } from 'node:util'
import { type Budget, runCampaign } from './campaign.ts'
import { TARGETS } from './targets.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string' },
    iterations: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_007) },
  },
})

const names = TARGETS.map(({ name }) => name)
const unknown = positionals.filter((name) => !names.includes(name))
if (unknown.length > 0) fail(`no target ${unknown.join(', ')}; there are ${names.join(', ')}`)
const budget: Budget = {
  firstSeed: numberOf('seed', values.seed),
  ...(values.iterations === undefined
    ? { seconds: numberOf('seconds', values.seconds ?? '30') }
    : { iterations: numberOf('iterations', values.iterations) }),
}

for (const target of TARGETS) {
  if (positionals.length > 0 && !positionals.includes(target.name)) continue
  const cases = await runCampaign(target, budget)
  console.log(`${target.name}: ${cases} cases from seed ${budget.firstSeed}, nothing found`)
}

function numberOf(option: string, text: string): number {
  if (!/^[0-9]{1,10}$/.test(text)) fail(`--${option} ${text}: expected a number`)
  return Number(text)
}

function fail(message: string): never {
  console.error(message)
  process.exit(2)
}
