/**
 * Families of thousands of series, in Prometheus' text format 0.0.4: written in short turns, since
 * traffic may share the event loop, and anew only when what they are about is another. The library
 * that writes the others does neither.
 */
import { setImmediate } from 'node:timers/promises'

export type Labels = Readonly<Record<string, string>>

/** One item makes some lines of each family: about 2 ms, of items that are read from JSON. */
const ITEMS_A_TURN = 50

/** A gauge. Series are added item by item. */
export class Family {
  readonly #name: string
  readonly #lines: string[]

  constructor(name: string, help: string) {
    this.#name = name
    this.#lines = [`# HELP ${name} ${escaped(help)}`, `# TYPE ${name} gauge`]
  }

  /**
   * Of one item, whose series differ from those of any other; of equal labels the last one counts. No
   * value is NaN.
   */
  addItem(series: Iterable<readonly [labels: Labels, value: number]>): void {
    const own = new Map<string, number>()
    for (const [labels, value] of series) own.set(labelText(labels), value)
    for (const [labels, value] of own) {
      this.#lines.push(`${this.#name}{${labels}} ${numberText(value)}`)
    }
  }

  get text(): string {
    return this.#lines.join('\n')
  }
}

/** `work` for each item, with the event loop's other work in between. */
export async function inTurns<T>(items: Iterable<T>, work: (item: T) => void): Promise<void> {
  let count = 0
  for (const item of items) {
    work(item)
    count += 1
    if (count % ITEMS_A_TURN === 0) await setImmediate()
  }
}

/** Asked again about the same source, it gives what it gave. */
export function madeOnce<Source extends object, Made>(
  make: (source: Source) => Made,
): (source: Source) => Made {
  let last: { readonly source: Source; readonly made: Made } | undefined
  return (source) => {
    if (last?.source !== source) last = { source, made: make(source) }
    return last.made
  }
}

function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value).replaceAll('"', '\\"')}"`)
    .join(',')
}

/** What JavaScript calls Infinity has another name there. */
function numberText(value: number): string {
  if (Number.isFinite(value)) return `${value}`
  return value > 0 ? '+Inf' : '-Inf'
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}
