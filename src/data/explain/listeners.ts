/** Why the listeners that did not win lose. */
import { hostnameMatches } from '../../match/hostname.ts'
import type { Losers } from '../../model/explanation.ts'
import type { ListenerKey } from '../../model/identity.ts'
import { losersOf } from './losers.ts'

interface Named {
  /** As Chain.hostname. */
  readonly hostname: string
  readonly listener: ListenerKey
}

/** `name` is normalised; undefined: none was sent, or an address. */
export function otherListeners<T extends Named>(
  entries: readonly T[],
  winner: T | undefined,
  name: string | undefined,
): Losers {
  const fits = ({ hostname }: Named): boolean => hostFits(hostname, name)
  const losing = entries.filter((entry) => entry !== winner)
  const nearestFirst = [...losing.filter(fits), ...losing.filter((entry) => !fits(entry))]
  return losersOf({ nearestFirst, count: losing.length }, (entry) => ({
    name: `${entry.listener} (${entry.hostname || 'any name'})`,
    why: fits(entry) ? 'less specific' : 'does not match the name',
  }))
}

/** Without a name, only the pattern for every one fits. */
export function hostFits(hostname: string, name: string | undefined): boolean {
  return name === undefined ? hostname === '' : hostnameMatches(hostname, name)
}
