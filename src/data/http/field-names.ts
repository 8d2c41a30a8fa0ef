/** Lower-case names of fields. Those that most messages have are found, not made. */
import { COMMON_NAMES } from '../../wire/http1/field-names.ts'

const PSEUDO = [':authority', ':method', ':path', ':scheme']

/** By both spellings. */
const KEYS: ReadonlyMap<string, string> = new Map(
  [...COMMON_NAMES, ...PSEUDO].flatMap((name) => {
    const key = name.toLowerCase()
    return [
      [name, key],
      [key, key],
    ] as const
  }),
)

export function fieldKey(name: string): string {
  return KEYS.get(name) ?? name.toLowerCase()
}
