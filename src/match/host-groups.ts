/**
 * The hosts of a route table: several may have one hostname, the more specific route's comes first.
 * PURE: used by data, explain and tests.
 */
import { HostTable } from './hostname.ts'

export class HostGroups<T> {
  #table: HostTable<readonly T[]>

  /** `hosts` in the order of the table. */
  constructor(hosts: Iterable<readonly [hostname: string, host: T]>) {
    this.#table = new HostTable(grouped(hosts))
  }

  /** Others, which differ under these hostnames; `hosts`: all that have one of them, in order. */
  edited(
    hostnames: ReadonlySet<string>,
    hosts: Iterable<readonly [hostname: string, host: T]>,
  ): HostGroups<T> {
    const groups = grouped(hosts)
    const edited = new HostGroups<T>([])
    edited.#table = this.#table.edited(
      new Map([...hostnames].map((name) => [name, groups.get(name)])),
    )
    return edited
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

function grouped<T>(
  hosts: Iterable<readonly [hostname: string, host: T]>,
): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>()
  for (const [hostname, host] of hosts) {
    const group = groups.get(hostname)
    if (group === undefined) groups.set(hostname, [host])
    else group.push(host)
  }
  return groups
}
