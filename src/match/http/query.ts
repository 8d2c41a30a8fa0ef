/**
 * Query parameters as rules see them (digest section 4.1): exact name, first value of a repeated
 * one, decoded as application/x-www-form-urlencoded (`+` is a space, escapes are UTF-8). What does
 * not decode stays as it was written. The query itself is forwarded unchanged.
 */

const NO_VALUES: ReadonlyMap<string, string> = new Map()

/**
 * Values of the `wanted` names only: a client's own names never become keys of a Map, so that
 * chosen collisions gain it nothing. `query` is without its question mark.
 */
export function queryValues(
  query: string,
  wanted: ReadonlySet<string>,
): ReadonlyMap<string, string> {
  if (query === '' || wanted.size === 0) return NO_VALUES
  const values = new Map<string, string>()
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=')
    const name = decodeForm(equals === -1 ? pair : pair.slice(0, equals))
    if (!wanted.has(name) || values.has(name)) continue
    values.set(name, equals === -1 ? '' : decodeForm(pair.slice(equals + 1)))
    if (values.size === wanted.size) break
  }
  return values
}

function decodeForm(text: string): string {
  const spaced = text.replaceAll('+', ' ')
  if (!spaced.includes('%')) return spaced
  try {
    return decodeURIComponent(spaced)
  } catch {
    return spaced
  }
}
