/**
 * The border between a connection and what its chain does with it. A handler compiles one kind of
 * chain action to a live action; the live action is shared by all connections of the chain and
 * keeps no runtime.
 */
import type { Digest } from '../../base/brand.ts'
import type { ChainAction, KeptPart } from '../../model/snapshot.ts'
import type { ChainSlot } from '../chain-slot.ts'
import type { Connection } from '../connection.ts'
import type { TlsDomains } from '../tls/contract.ts'
import type { Registry } from '../upstream/contract.ts'

/** The chain actions that TCP connections take; UDP has flows instead. */
export type TcpAction = Exclude<ChainAction, { readonly kind: 'udp-forward' }>

export interface LiveAction {
  /** Does the connection's work from here on; ends with `connection.end`. */
  start(connection: Connection): void
  /** The runtime that compiled it retires; connections that it started go on. */
  release(): void
}

export interface CompileContext {
  readonly registry: Registry
  readonly tlsDomains: TlsDomains
  readonly slot: ChainSlot
  part(digest: Digest): KeptPart
  /** PEM of a private key. Throws when it was not sent. */
  key(keyId: Digest): string
}

export type Handler<A extends ChainAction> = (action: A, context: CompileContext) => LiveAction
