/**
 * Digests of parts. Those of binds and route tables are made of the digests of their lists, since
 * such a list may have 10,000 entries of which an edit changes one.
 */
import type { Digest } from '../base/brand.ts'
import { digestOf, digestOfText } from '../base/digest.ts'
import { sameItems } from '../base/lists.ts'
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
  return {
    localAddresses,
    chains: digestOfChains(chains),
    // None of the three may hold a blank.
    listeners: digestOfList(listeners, ({ hostname, listener, routes = '' }) =>
      [hostname, listener, routes].join(' '),
    ),
  }
}

/** Lists never change, and are the same from pass to pass as long as no listener changes. */
const known = new WeakMap<readonly Chain[], Digest>()

function digestOfChains(chains: readonly Chain[]): Digest {
  const digest = known.get(chains) ?? digestOf(chains)
  known.set(chains, digest)
  return digest
}

function digestOfHosts(hosts: readonly HostRef[]): Digest {
  return digestOfList(hosts, ({ hostname, routes }) => `${hostname} ${routes}`)
}

/** Of as many entries together, so that an edit of one costs a block. */
const BLOCK = 128

interface Block {
  readonly entries: readonly object[]
  readonly digest: Digest
}

/** By their first entry. Entries never change, and are the same from pass to pass. */
const blocks = new WeakMap<object, Block>()

function digestOfList<T extends object>(list: readonly T[], lineOf: (entry: T) => string): Digest {
  const digests: Digest[] = []
  for (let start = 0; start < list.length; start += BLOCK) {
    digests.push(digestOfBlock(list.slice(start, start + BLOCK), lineOf))
  }
  return digestOfText(digests.join('\n'))
}

function digestOfBlock<T extends object>(
  entries: readonly T[],
  lineOf: (entry: T) => string,
): Digest {
  const [first] = entries
  const held = first && blocks.get(first)
  if (held !== undefined && sameItems(held.entries, entries)) return held.digest
  const digest = digestOfText(entries.map(lineOf).join('\n'))
  if (first !== undefined) blocks.set(first, { entries, digest })
  return digest
}
