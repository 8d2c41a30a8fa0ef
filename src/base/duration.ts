/** Gateway API durations, GEP-2257: 1 to 4 groups of 1 to 5 digits with `h`, `m`, `s` or `ms`. */

const SHAPE = /^([0-9]{1,5}(h|m|s|ms)){1,4}$/
const GROUP = /([0-9]{1,5})(ms|h|m|s)/g
const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }

/** Milliseconds, or undefined when the text is no GEP-2257 duration. */
export function parseDuration(text: string): number | undefined {
  if (!SHAPE.test(text)) return undefined
  let total = 0
  for (const [, digits, unit] of text.matchAll(GROUP)) {
    total += Number(digits) * (UNIT_MS[unit ?? ''] ?? 0)
  }
  return total
}
