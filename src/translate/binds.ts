/**
 * Which sockets to open and what each does (DESIGN.md decision 6): one per address and port; where
 * a Gateway takes the port on a wildcard, one wildcard socket serves it and the local address
 * chooses the chain table.
 */
import { compareText } from '../base/byte-order.ts'
import { type BindKey, type BindPart, bindKey } from '../model/snapshot.ts'
import type { PendingProgrammed } from '../model/status.ts'
import { socketAddress } from './addresses.ts'
import { buildChainTable, type Member, serves } from './chains.ts'

export interface BindPlan {
  /** Sorted by key. */
  readonly binds: readonly BindPart[]
  /** The sockets that each serving listener waits for. */
  readonly pending: readonly PendingProgrammed[]
}

export function planBinds(members: readonly Member[]): BindPlan {
  const plans = [...Map.groupBy(members, ({ verdict }) => verdict.listener.spec.port)].map(
    ([port, onPort]) => planPort(port, onPort),
  )
  return {
    binds: plans.flatMap(({ binds }) => binds).sort((a, b) => compareText(a.key, b.key)),
    pending: plans.flatMap(({ pending }) => pending),
  }
}

function planPort(port: number, members: readonly Member[]): BindPlan {
  const inUse = addressesInUse(members)
  const sockets = new Set([...inUse].map((address) => socketAddress(address, inUse)))
  return {
    binds: [...sockets].map((address) =>
      planSocket(address, port, membersByAddress(address, members, inUse)),
    ),
    pending: members.filter(serves).map((member) => waitFor(member, inUse)),
  }
}

/** Listeners that do not serve open no socket; on an open one they hold their names. */
function addressesInUse(members: readonly Member[]): ReadonlySet<string> {
  return new Set(members.filter(serves).flatMap(addressesOf))
}

function addressesOf({ verdict }: Member): readonly string[] {
  return verdict.listener.gateway.bindAddresses
}

function membersByAddress(
  socket: string,
  members: readonly Member[],
  inUse: ReadonlySet<string>,
): ReadonlyMap<string, readonly Member[]> {
  const placed = members.flatMap((member) =>
    addressesOf(member)
      .filter((address) => socketAddress(address, inUse) === socket)
      .map((address) => ({ address, member })),
  )
  const ingress = placed.find(({ member }) => serves(member))?.member.verdict.listener.protocol
    ?.ingress
  const fitting = placed.filter(
    ({ member }) => member.verdict.listener.protocol?.ingress === ingress,
  )
  return new Map(
    [...Map.groupBy(fitting, ({ address }) => address)].map(([address, entries]) => [
      address,
      entries.map(({ member }) => member),
    ]),
  )
}

function planSocket(
  address: string,
  port: number,
  members: ReadonlyMap<string, readonly Member[]>,
): BindPart {
  const tables = [...members]
    // Own addresses before the rest, in a fixed order: equal input must give equal digests.
    .sort(([a], [b]) => Number(a === address) - Number(b === address) || compareText(a, b))
    .map(([local, listeners]) => buildChainTable([local === address ? '*' : local], listeners))
  const [first] = [...members.values()].flat().filter(serves)
  return {
    kind: 'bind',
    key: bindKey('tcp', address, port),
    transport: 'tcp',
    address,
    port,
    ingress: first?.verdict.listener.protocol?.ingress ?? 'tcp',
    tables,
  }
}

function waitFor(member: Member, inUse: ReadonlySet<string>): PendingProgrammed {
  const { owner, spec } = member.verdict.listener
  const binds = addressesOf(member).map((address) =>
    bindKey('tcp', socketAddress(address, inUse), spec.port),
  )
  return {
    owner: owner.key,
    listener: spec.name,
    binds: [...new Set<BindKey>(binds)].sort(compareText),
  }
}
