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
import { type OwnListener, transportOf } from './listeners.ts'
import type { ListenerVerdict } from './listener-verdicts.ts'

/** Sorted by key. */
export function planBinds(members: readonly Member[]): readonly BindPart[] {
  return byPort(members, ({ verdict }) => verdict)
    .flatMap(({ port, items }) => planPort(port, items))
    .sort((a, b) => compareText(a.key, b.key))
}

/** The sockets that each serving listener waits for, whatever its routes. */
export function planPending(verdicts: readonly ListenerVerdict[]): readonly PendingProgrammed[] {
  return byPort(verdicts, (verdict) => verdict).flatMap(({ port, items }) => {
    const inUse = addressesInUse(items)
    return items.filter(serves).map(({ listener }) => waitFor(listener, port, inUse))
  })
}

/** TCP and UDP on one port number are two ports. */
type Port = Pick<BindPart, 'transport' | 'port'>
const TRANSPORTS = ['tcp', 'udp'] as const satisfies readonly BindPart['transport'][]

function byPort<T>(
  all: readonly T[],
  verdictOf: (item: T) => ListenerVerdict,
): readonly { readonly port: Port; readonly items: readonly T[] }[] {
  return TRANSPORTS.flatMap((transport) => {
    const own = all.filter((item) => transportOf(verdictOf(item).listener) === transport)
    return [...Map.groupBy(own, (item) => verdictOf(item).listener.spec.port)].map(
      ([port, items]) => ({ port: { transport, port }, items }),
    )
  })
}

function planPort(port: Port, members: readonly Member[]): readonly BindPart[] {
  const inUse = addressesInUse(members.map(({ verdict }) => verdict))
  const placed = members.flatMap((member) =>
    addressesOf(member.verdict).map((address) => ({
      socket: socketAddress(address, inUse),
      address,
      member,
    })),
  )
  return [...Map.groupBy(placed, ({ socket }) => socket)]
    .filter(([, places]) => places.some(({ member }) => serves(member.verdict)))
    .map(([socket, places]) => planSocket(socket, port, places))
}

/** Listeners that do not serve open no socket; on an open one they hold their names. */
function addressesInUse(verdicts: readonly ListenerVerdict[]): ReadonlySet<string> {
  return new Set(verdicts.filter(serves).flatMap(addressesOf))
}

function addressesOf({ listener }: ListenerVerdict): readonly string[] {
  return listener.gateway.bindAddresses
}

/** A listener on one of its Gateway's addresses. */
interface Place {
  readonly address: string
  readonly member: Member
}

function planSocket(socket: string, { transport, port }: Port, places: readonly Place[]): BindPart {
  const server = places.find(({ member }) => serves(member.verdict))?.member.verdict.listener
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
  { owner, spec, gateway }: OwnListener,
  { transport, port }: Port,
  inUse: ReadonlySet<string>,
): PendingProgrammed {
  const keyOf = (address: string): BindKey => bindKey(transport, address, port)
  const binds = gateway.bindAddresses.flatMap((address) => {
    const socket = keyOf(socketAddress(address, inUse))
    return isWildcard(address) ? [socket] : [socket, keyOf(address)]
  })
  return {
    owner: owner.key,
    listener: spec.name,
    binds: [...new Set<BindKey>(binds)].sort(compareText),
  }
}
