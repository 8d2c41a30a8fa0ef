/**
 * Digests of parts. Those of binds and route tables are made of the digests of their lists, since
 * such a list may have 10,000 entries of which an edit changes one.
 */
import type { Digest } from '../base/brand.ts'
import { digestOf, digestOfText } from '../base/digest.ts'
import type { HostRef } from '../model/http.ts'
import type { Chain, ChainTable, Part } from '../model/snapshot.ts'

export function digestOfPart(part: Part): Digest {
  switch (part.kind) {
    case 'bind':
      return digestOf({ ...part, tables: part.tables.map(summaryOf) })
    case 'route-table': {
      const { hosts, grpc } = part
      return digestOf({ ...part, hosts: digestOfHosts(hosts), grpc: grpc && digestOfHosts(grpc) })
    }
    case 'http-host':
    case 'grpc-host':
    case 'upstream':
    case 'certificate':
      return digestOf(part)
  }
}

function summaryOf({ localAddresses, chains, listeners }: ChainTable): object {
  // None of the three may hold a blank.
  const lines = listeners.map(({ hostname, listener, routes = '' }) =>
    [hostname, listener, routes].join(' '),
  )
  return { localAddresses, chains: digestOfChains(chains), listeners: digestOfLines(lines) }
}

/** Lists never change, and are the same from pass to pass as long as no listener changes. */
const known = new WeakMap<readonly Chain[], Digest>()

function digestOfChains(chains: readonly Chain[]): Digest {
  const digest = known.get(chains) ?? digestOf(chains)
  known.set(chains, digest)
  return digest
}

function digestOfHosts(hosts: readonly HostRef[]): Digest {
  return digestOfLines(hosts.map(({ hostname, routes }) => `${hostname} ${routes}`))
}

function digestOfLines(lines: readonly string[]): Digest {
  return digestOfText(lines.join('\n'))
}
