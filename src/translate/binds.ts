/**
 * Which sockets to open and what each does (DESIGN.md decision 6): one per address and port; where
 * a Gateway takes the port on a wildcard, one wildcard socket serves it and the local address
 * chooses the chain table.
 */
import { compareText } from '../base/byte-order.ts'
import { sameItems } from '../base/lists.ts'
import { type BindKey, bindKey } from '../model/identity.ts'
import type { BindPart } from '../model/snapshot.ts'
import type { PendingProgrammed } from '../model/status.ts'
import { isWildcard, socketAddress } from './addresses.ts'
import { type Member, serves, TableOfChains } from './chains.ts'
import { type OwnListener, transportOf } from './listeners.ts'
import type { ListenerVerdict } from './listener-verdicts.ts'

/** The sockets of some listeners, kept from pass to pass while nothing but routes changes. */
export class Binds {
  readonly #sockets: readonly Socket[]

  constructor(verdicts: readonly ListenerVerdict[]) {
    this.#sockets = byPort([...verdicts.entries()], ([, verdict]) => verdict)
      .flatMap(({ port, items }) => planPort(port, items, verdicts))
      .sort((a, b) => compareText(a.key, b.key))
  }

  /** Sorted by key; the same part as long as the members that it is made of are. */
  next(members: readonly Member[]): readonly BindPart[] {
    return this.#sockets.map((socket) => socket.next(members))
  }
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

type Placed = readonly [place: number, verdict: ListenerVerdict]

function planPort(
  port: Port,
  listeners: readonly Placed[],
  verdicts: readonly ListenerVerdict[],
): readonly Socket[] {
  const inUse = addressesInUse(listeners.map(([, verdict]) => verdict))
  const placed = listeners.flatMap(([place, verdict]) =>
    addressesOf(verdict).map((address) => ({
      socket: socketAddress(address, inUse),
      address,
      place,
      verdict,
    })),
  )
  return [...Map.groupBy(placed, ({ socket }) => socket)]
    .filter(([, places]) => places.some(({ verdict }) => serves(verdict)))
    .map(([socket, places]) => new Socket(socket, port, places, verdicts))
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
  /** Among all listeners. */
  readonly place: number
  readonly verdict: ListenerVerdict
}

class Socket {
  readonly #base: Omit<BindPart, 'tables'>
  readonly #tables: readonly TableOfChains[]
  #part: BindPart | undefined

  constructor(
    socket: string,
    { transport, port }: Port,
    places: readonly Place[],
    verdicts: readonly ListenerVerdict[],
  ) {
    const server = places.find(({ verdict }) => serves(verdict))?.verdict.listener
    const ingress = server?.protocol?.ingress
    const proxyProtocol = transport === 'tcp' ? server?.gateway.proxyProtocol : undefined
    const fitting = places
      .filter(({ verdict }) => verdict.listener.protocol?.ingress === ingress)
      // A Gateway may name both wildcards; the socket's own stands for the other.
      .filter(({ address }) => address === socket || !isWildcard(address))
    this.#tables = [...Map.groupBy(fitting, ({ address }) => address)]
      // Own addresses before the rest, in a fixed order: equal input must give equal digests.
      .sort(([a], [b]) => Number(a === socket) - Number(b === socket) || compareText(a, b))
      .map(([address, own]) => {
        const localAddresses = [address === socket ? '*' : address]
        return new TableOfChains(
          localAddresses,
          own.map(({ place }) => place),
          verdicts,
        )
      })
    this.#base = {
      kind: 'bind',
      key: bindKey(transport, socket, port),
      transport,
      address: socket,
      port,
      ingress: ingress ?? transport,
      ...(proxyProtocol === undefined ? {} : { proxyProtocol }),
    }
  }

  get key(): BindKey {
    return this.#base.key
  }

  next(members: readonly Member[]): BindPart {
    const tables = this.#tables.map((table) => table.next(members))
    const before = this.#part
    if (before !== undefined && sameItems(before.tables, tables)) return before
    this.#part = { ...this.#base, tables }
    return this.#part
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
