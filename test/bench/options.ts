/** The command line of the bench. */
import { basename, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Variant } from './peers/gwproxy.ts'

export interface BenchOptions {
  /** Empty: every row. */
  readonly rows: readonly string[]
  readonly rounds: number
  readonly seconds: number
  readonly warmSeconds: number
  readonly isQuick: boolean
  /** undefined: every rival that a row knows and the machine has. */
  readonly rivals: readonly string[] | 'first' | undefined
  /** The first is what the others are compared with. */
  readonly variants: readonly [Variant, ...Variant[]]
  readonly json: string
  readonly check: boolean
  readonly writeBaseline: boolean
}

export const USAGE = `npm run bench -- [options]
  --row NAME         one row, repeatable; the default is all
  --rival NAME       this peer only, repeatable; none: gwproxy's variants only
  --rounds N         5
  --seconds S        of one sample, 3
  --quick            the first rival of each row, 3 rounds of 2 s, half the warm-up
  --against DIR      another checkout of gwproxy takes part, repeatable
  --variant "NAME=[VARIABLE=VALUE …] [FLAG …]"
                     this checkout with other flags or environment takes part, repeatable
  --io NAME          short for --variant "NAME=--io NAME"
  --json FILE        where the result goes (default bench.json in the working directory)
  --check            as --quick, then compares CPU per operation with baseline.json of the bench:
                     fails when a steady row is 15 % dearer, or a row cannot be measured
  --write-baseline   the rows of this run become the baseline's`

/** Throws with what is wrong. `root` is the checkout that the bench belongs to. */
export function parseOptions(argument: readonly string[], root: string): BenchOptions {
  const { values } = parseArgs({
    args: [...argument],
    options: {
      row: { type: 'string', multiple: true },
      rival: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean' },
      against: { type: 'string', multiple: true },
      variant: { type: 'string', multiple: true },
      io: { type: 'string', multiple: true },
      json: { type: 'string' },
      check: { type: 'boolean' },
      'write-baseline': { type: 'boolean' },
    },
  })
  const isShort = values.quick === true || values.check === true
  return {
    rows: values.row ?? [],
    rounds: positive('rounds', values.rounds, isShort ? 3 : 5),
    seconds: positive('seconds', values.seconds, isShort ? 2 : 3),
    warmSeconds: isShort ? 5 : 10,
    isQuick: isShort,
    rivals: values.rival?.filter((name) => name !== 'none') ?? (isShort ? 'first' : undefined),
    variants: [
      { name: 'gwproxy', root, flags: [], env: {} },
      ...(values.variant ?? []).map((text) => parseVariant(text, root)),
      ...(values.io ?? []).map((name) => parseVariant(`${name}=--io ${name}`, root)),
      ...(values.against ?? []).map((text) => otherCheckout(text)),
    ],
    json: values.json ?? 'bench.json',
    check: values.check === true,
    writeBaseline: values['write-baseline'] === true,
  }
}

function positive(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (!(value > 0)) throw new Error(`--${name} ${text} is not a number above 0`)
  return value
}

/** `raw=GWPROXY_IO=raw --workers 1` */
export function parseVariant(text: string, root: string): Variant {
  const cut = text.indexOf('=')
  if (cut <= 0) throw new Error(`--variant ${text}: expected NAME=FLAGS`)
  const words = text
    .slice(cut + 1)
    .split(/\s+/)
    .filter(Boolean)
  const assignments = words.filter((word) => /^[A-Z_][A-Z0-9_]*=/.test(word))
  return {
    name: text.slice(0, cut),
    root,
    flags: words.filter((word) => !assignments.includes(word)),
    env: Object.fromEntries(
      assignments.map((word) => [
        word.slice(0, word.indexOf('=')),
        word.slice(word.indexOf('=') + 1),
      ]),
    ),
  }
}

function otherCheckout(text: string): Variant {
  const root = resolve(text)
  return { name: `against:${basename(root)}`, root, flags: [], env: {} }
}
