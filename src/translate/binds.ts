/**
 * Which sockets to open and what each does (DESIGN.md decision 6): one per address and port; where
 * a Gateway takes the port on a wildcard, one wildcard socket serves it and the local address
 * chooses the chain table.
 */
import { compareText } from '../base/byte-order.ts'
import { type BindKey, bindKey } from '../model/identity.ts'
import type { BindPart } from '../model/snapshot.ts'
import type { PendingProgrammed } from '../model/status.ts'
import { isWildcard, socketAddress } from './addresses.ts'
import { buildChainTable, type Member, serves } from './chains.ts'
import { transportOf } from './listeners.ts'

export interface BindPlan {
  /** Sorted by key. */
  readonly binds: readonly BindPart[]
  /** The sockets that each serving listener waits for. */
  readonly pending: readonly PendingProgrammed[]
}

export function planBinds(members: readonly Member[]): BindPlan {
  const plans = TRANSPORTS.flatMap((transport) => {
    const own = members.filter(({ verdict }) => transportOf(verdict.listener) === transport)
    return [...Map.groupBy(own, ({ verdict }) => verdict.listener.spec.port)].map(
      ([port, onPort]) => planPort({ transport, port }, onPort),
    )
  })
  return {
    binds: plans.flatMap(({ binds }) => binds).sort((a, b) => compareText(a.key, b.key)),
    pending: plans.flatMap(({ pending }) => pending),
  }
}

/** TCP and UDP on one port number are two ports. */
type Port = Pick<BindPart, 'transport' | 'port'>
const TRANSPORTS = ['tcp', 'udp'] as const satisfies readonly BindPart['transport'][]

function planPort(port: Port, members: readonly Member[]): BindPlan {
  const inUse = addressesInUse(members)
  const placed = members.flatMap((member) =>
    addressesOf(member).map((address) => ({
      socket: socketAddress(address, inUse),
      address,
      member,
    })),
  )
  return {
    binds: [...Map.groupBy(placed, ({ socket }) => socket)]
      .filter(([, places]) => places.some(({ member }) => serves(member)))
      .map(([socket, places]) => planSocket(socket, port, places)),
    pending: members.filter(serves).map((member) => waitFor(member, port, inUse)),
  }
}

/** Listeners that do not serve open no socket; on an open one they hold their names. */
function addressesInUse(members: readonly Member[]): ReadonlySet<string> {
  return new Set(members.filter(serves).flatMap(addressesOf))
}

function addressesOf({ verdict }: Member): readonly string[] {
  return verdict.listener.gateway.bindAddresses
}

/** A listener on one of its Gateway's addresses. */
interface Place {
  readonly address: string
  readonly member: Member
}

function planSocket(socket: string, { transport, port }: Port, places: readonly Place[]): BindPart {
  const server = places.map(({ member }) => member).find(serves)?.verdict.listener
  const ingress = server?.protocol?.ingress
  const proxyProtocol = transport === 'tcp' ? server?.gateway.proxyProtocol : undefined
  const fitting = places
    .filter(({ member }) => member.verdict.listener.protocol?.ingress === ingress)
    // A Gateway may name both wildcards; the socket's own stands for the other.
    .filter(({ address }) => address === socket || !isWildcard(address))
  const tables = [...Map.groupBy(fitting, ({ address }) => address)]
    // Own addresses before the rest, in a fixed order: equal input must give equal digests.
    .sort(([a], [b]) => Number(a === socket) - Number(b === socket) || compareText(a, b))
    .map(([address, own]) =>
      buildChainTable(
        [address === socket ? '*' : address],
        own.map(({ member }) => member),
      ),
    )
  return {
    kind: 'bind',
    key: bindKey(transport, socket, port),
    transport,
    address: socket,
    port,
    ingress: ingress ?? transport,
    ...(proxyProtocol === undefined ? {} : { proxyProtocol }),
    tables,
  }
}

function waitFor(
  member: Member,
  { transport, port }: Port,
  inUse: ReadonlySet<string>,
): PendingProgrammed {
  const { owner, spec } = member.verdict.listener
  const keyOf = (address: string): BindKey => bindKey(transport, address, port)
  const binds = addressesOf(member).flatMap((address) => {
    const socket = keyOf(socketAddress(address, inUse))
    return isWildcard(address) ? [socket] : [socket, keyOf(address)]
  })
  return {
    owner: owner.key,
    listener: spec.name,
    binds: [...new Set<BindKey>(binds)].sort(compareText),
  }
}
