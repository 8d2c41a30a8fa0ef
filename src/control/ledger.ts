/**
 * What one worker holds, and hence what it must be sent next. Pure: messages in, messages out.
 * One publication is in flight at a time and the newest wins, so a slow worker skips generations
 * and a bind that leaves and returns is never confused with its former self.
 */
import type { Digest } from '../base/brand.ts'
import type { NativeUdpHandle } from '../ipc/datagram-handle.ts'
import type { ControlMessage } from '../ipc/messages.ts'
import type { BindKey } from '../model/identity.ts'
import type { BindPart, KeptPart, Manifest, Snapshot } from '../model/snapshot.ts'
import type { BindResult } from '../model/status.ts'
import type { KeyMaterial } from '../model/tls.ts'
import type { SocketState } from './sockets.ts'

/** What all workers shall run. */
export interface Target extends Snapshot {
  /** Counts publications: a new manifest, or a socket that came open or failed since. */
  readonly revision: number
  /** The private key of every certificate part. */
  readonly keys: ReadonlyMap<Digest, KeyMaterial>
  readonly binds: readonly BindPart[]
  /** What it has beyond the parts of another manifest; absent: to be found out. */
  readonly come?: Come
}

export interface Come {
  readonly since: Manifest['parts']
  readonly parts: readonly (readonly [Digest, KeptPart])[]
}

/** A message, and whether the bind's socket travels beside it. */
export interface Outgoing {
  readonly message: ControlMessage
  readonly socketOf?: BindKey
  readonly datagrams?: Datagrams
}

/** A socket that came with the process, for one address of a UDP bind. */
export interface Datagrams {
  readonly address: string
  readonly handle: NativeUdpHandle
  /** Systemd's; else the worker alone has it from now on. */
  readonly isKept: boolean
}

/** How a worker answered a revision. */
export type Answer =
  | { readonly kind: 'acked'; readonly revision: number; readonly binds: readonly BindResult[] }
  | { readonly kind: 'refused'; readonly revision: number; readonly message: string }

export class WorkerLedger {
  /** Of the last manifest that it acked: it keeps those, whatever else it was sent. */
  #parts: ReadonlySet<Digest>
  #keys: ReadonlyMap<Digest, KeyMaterial> = new Map()
  /** TCP sockets that were handed over and UDP binds that it owns. */
  #sockets: Set<BindKey> = new Set()
  #inFlight: Target | undefined
  #answer: Answer | undefined

  /** `heldParts` as its hello says. */
  constructor(heldParts: readonly Digest[]) {
    this.#parts = new Set(heldParts)
  }

  get answer(): Answer | undefined {
    return this.#answer
  }

  /** What to send now; nothing while an answer is awaited or the worker is up to date. */
  next(
    target: Target,
    socketOf: (bind: BindKey) => SocketState | undefined,
    ownsUdp: (bind: BindKey) => boolean,
    datagramsOf: (bind: BindPart) => readonly Datagrams[] = () => [],
  ): readonly Outgoing[] {
    if (this.#inFlight !== undefined || this.#answer?.revision === target.revision) return []
    this.#inFlight = target
    const { manifest } = target
    const { come } = target
    const parts = come?.since === this.#parts ? come.parts : this.#lacking(target)
    const keys =
      target.keys === this.#keys
        ? []
        : [...target.keys.values()].filter(({ keyId }) => !this.#keys.has(keyId))
    return [
      ...target.binds.flatMap((bind) =>
        bind.transport === 'udp'
          ? this.#ownership(bind, ownsUdp(bind.key), datagramsOf)
          : this.#socket(bind, socketOf(bind.key)),
      ),
      { message: { type: 'publish', manifest, parts, keys } },
    ]
  }

  /** Whether the worker was given the bind and has not been told that it left. */
  holds(bind: BindKey): boolean {
    return this.#sockets.has(bind)
  }

  acked(generation: number, binds: readonly BindResult[]): void {
    const target = this.#answered(generation)
    if (target === undefined) return
    // A socket on which listen(2) failed is gone: the next publication brings another.
    const failed = new Set(binds.flatMap(({ bind, error }) => (error === undefined ? [] : bind)))
    const wanted = new Set(
      target.binds.flatMap(({ key, transport }) =>
        transport === 'tcp' && failed.has(key) ? [] : key,
      ),
    )
    this.#parts = target.manifest.parts
    this.#keys = target.keys
    this.#sockets = new Set([...this.#sockets].filter((key) => wanted.has(key)))
    this.#answer = { kind: 'acked', revision: target.revision, binds }
  }

  /** The old runtime stays, and with it what it holds. Sockets already handed over stay as well. */
  refused(generation: number, message: string): void {
    const target = this.#answered(generation)
    if (target !== undefined) {
      this.#answer = { kind: 'refused', revision: target.revision, message }
    }
  }

  #lacking(target: Target): Come['parts'] {
    if (target.manifest.parts === this.#parts) return []
    const parts: (readonly [Digest, KeptPart])[] = []
    // Set.difference would copy 20,000 digests for the few that are left of them.
    for (const digest of target.manifest.parts) {
      if (!this.#parts.has(digest)) parts.push([digest, partOf(target, digest)])
    }
    return parts
  }

  #answered(generation: number): Target | undefined {
    const target = this.#inFlight
    if (target?.manifest.generation !== generation) return undefined
    this.#inFlight = undefined
    return target
  }

  #socket(bind: BindPart, state: SocketState | undefined): Outgoing[] {
    if (this.#sockets.has(bind.key) || state === undefined) return []
    if (state.kind === 'failed') {
      const result = { bind: bind.key, error: state.error }
      return [{ message: { type: 'socket-failed', result } }]
    }
    this.#sockets.add(bind.key)
    return [{ message: { type: 'socket', bind: bind.key }, socketOf: bind.key }]
  }

  /** UDP sockets are the worker's own (decision 15), but for those that came with the process. */
  #ownership(
    bind: BindPart,
    isOwner: boolean,
    datagramsOf: (bind: BindPart) => readonly Datagrams[],
  ): Outgoing[] {
    const { key } = bind
    if (!isOwner || this.#sockets.has(key)) return []
    this.#sockets.add(key)
    return [
      { message: { type: 'own-udp', bind: key } },
      ...datagramsOf(bind).map((datagrams): Outgoing => {
        const { address, isKept } = datagrams
        return { message: { type: 'datagrams', bind: key, address, isKept }, datagrams }
      }),
    ]
  }
}

function partOf(target: Target, digest: Digest): KeptPart {
  const part = target.parts.get(digest)
  // Publisher has checked the update for completeness before it became a target.
  if (part === undefined) throw new TypeError(`part ${digest} is missing`)
  return part
}
