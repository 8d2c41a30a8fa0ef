/**
 * The hosts of a route table: several may have one hostname, the more specific route's comes first.
 * PURE: used by data, explain and tests.
 */
import { HostTable } from './hostname.ts'

export class HostGroups<T> {
  readonly #table: HostTable<readonly T[]>

  /** `hosts` in the order of the table. */
  constructor(hosts: readonly (readonly [hostname: string, host: T])[]) {
    const groups = new Map<string, T[]>()
    for (const [hostname, host] of hosts) {
      const group = groups.get(hostname)
      if (group === undefined) groups.set(hostname, [host])
      else group.push(host)
    }
    this.#table = new HostTable(groups)
  }

  /**
   * What the first host finds that finds something, the most specific hostname first. `name` is
   * normalised; undefined (an address) matches only ''.
   */
  first<Request, Found>(
    name: string | undefined,
    request: Request,
    find: (host: T, request: Request) => Found | undefined,
  ): Found | undefined {
    for (const group of this.#table.matches(name)) {
      for (const host of group) {
        const found = find(host, request)
        if (found !== undefined) return found
      }
    }
    return undefined
  }
}
