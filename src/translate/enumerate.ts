/** Lists in messages, which must stay readable whatever the number of names. */

const SHOWN = 5

/** `a, b, c`; beyond five `a, b, c, d, e and 12 more`. */
export function enumerate(items: readonly string[], separator = ', '): string {
  const shown = items.slice(0, SHOWN).join(separator)
  return items.length <= SHOWN ? shown : `${shown} and ${items.length - SHOWN} more`
}
