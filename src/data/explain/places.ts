/** Where a client may connect to: the chain tables of a port, by the local address. */
import { SniTable } from '../../match/sni.ts'
import { canonicalAddress } from '../../match/target-address.ts'
import { type BindKey, bindKey } from '../../model/identity.ts'
import type { BindPart, ChainTable, Manifest, Snapshot } from '../../model/snapshot.ts'
import type { Question } from './question.ts'

export interface Place {
  readonly bind: BindPart
  readonly table: ChainTable
  /** For people: `tcp/[::]:443`, or `tcp/[::]:443 at 10.0.0.1`. */
  readonly name: string
  /** What has to be there: the socket, and an own address that it serves. */
  readonly needs: readonly BindKey[]
}

/** In the order of the manifest: by address and port. */
export function bindsOf({ manifest, parts }: Content): readonly BindPart[] {
  return manifest.binds.flatMap((digest) => {
    const part = parts.get(digest)
    return part?.kind === 'bind' ? [part] : []
  })
}

interface Content extends Pick<Snapshot, 'parts'> {
  readonly manifest: Pick<Manifest, 'binds'>
}

/** With an address at most one, else one for each chain table of the port. */
export function placesOf(
  binds: readonly BindPart[],
  { scheme, port, address }: Pick<Question, 'scheme' | 'port' | 'address'>,
): readonly Place[] {
  const transport = scheme === 'udp' ? 'udp' : 'tcp'
  const onPort = binds.filter((bind) => bind.transport === transport && bind.port === port)
  if (address === undefined) {
    return onPort.flatMap((bind) =>
      bind.tables.map((table) => placeOf(bind, table, ownAddress(table))),
    )
  }
  const bind =
    onPort.find((one) => canonicalAddress(one.address) === address) ??
    onPort.find((one) => one.address === '::') ??
    onPort.find((one) => one.address === '0.0.0.0' && !address.includes(':'))
  const table = bind && tableFor(bind, address)
  if (bind === undefined || table === undefined) return []
  return [placeOf(bind, table, ownAddress(table) === undefined ? undefined : address)]
}

/** As the data plane finds it. */
function tableFor({ tables }: BindPart, address: string): ChainTable | undefined {
  const sources = tables.map((table) => ({
    localAddresses: table.localAddresses,
    entries: [['', table] as const],
  }))
  const choice = new SniTable<ChainTable>(sources).choose(address, undefined)
  return choice.kind === 'found' ? choice.value : undefined
}

/** undefined: the table serves whatever no other one names. */
function ownAddress({ localAddresses }: ChainTable): string | undefined {
  return localAddresses.includes('*') ? undefined : localAddresses[0]
}

function placeOf(bind: BindPart, table: ChainTable, own: string | undefined): Place {
  const { key, transport, port } = bind
  if (own === undefined) return { bind, table, name: key, needs: [key] }
  return {
    bind,
    table,
    name: `${key} at ${own}`,
    needs: [key, bindKey(transport, own, port)],
  }
}
