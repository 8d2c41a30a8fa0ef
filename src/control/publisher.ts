/**
 * Brings every worker to the newest configuration and knows how far they are. Pure but for the
 * sockets it is given: what must be sent goes out through `send`, and whoever waits for the
 * workers' answers is told by a Settlement, as soon as every live worker has answered.
 */
import type { Digest } from '../base/brand.ts'
import { GwProxyError } from '../base/errors.ts'
import type { ConfigUpdate, WorkerMessage } from '../ipc/messages.ts'
import type { BindPart, Manifest, KeptPart } from '../model/snapshot.ts'
import type { BindResult } from '../model/status.ts'
import type { CertificatePart, KeyMaterial } from '../model/tls.ts'
import { type Answer, type Datagrams, type Outgoing, type Target, WorkerLedger } from './ledger.ts'
import type { Sockets } from './sockets.ts'
import { UdpOwners } from './udp-owners.ts'

/** A worker's place; a restarted worker takes the place of the one before. */
export type Slot = number

/** Every live worker has answered the newest revision. */
export interface Settlement {
  readonly revision: number
  readonly generation: number
  /**
   * One for each bind of the manifest, and for each own address that a wildcard one serves; `error`
   * absent: every worker serves it.
   */
  readonly results: readonly BindResult[]
  /** Why workers refused; they keep the generation before. */
  readonly refusals: readonly string[]
}

/** A Target without its private keys. */
export type Served = Pick<Target, 'manifest' | 'parts' | 'binds'>

export interface PublisherPorts {
  readonly sockets: Sockets
  /** UDP sockets that came with the process, for addresses of the bind. */
  datagramsOf?(bind: BindPart): readonly Datagrams[]
  /** Another process has the UDP sockets until `released`. */
  readonly awaitsUdp?: boolean
  send(slot: Slot, outgoing: Outgoing): void
  onSettled(settlement: Settlement): void
}

export class Publisher {
  readonly #ports: PublisherPorts
  readonly #ledgers = new Map<Slot, WorkerLedger>()
  readonly #udpOwners = new UdpOwners()
  /** Forked and not yet greeted: a settlement waits for them. */
  readonly #starting = new Set<Slot>()
  #awaitsUdp: boolean
  #target: Target | undefined
  #served: Served | undefined
  #settled: Settlement | undefined

  constructor(ports: PublisherPorts) {
    this.#ports = ports
    this.#awaitsUdp = ports.awaitsUdp ?? false
  }

  /** The newest manifest and its parts, for the admin interface. */
  get target(): Target | undefined {
    return this.#target
  }

  /** What every live worker acked last. */
  get served(): Served | undefined {
    return this.#served
  }

  /** Of the newest revision; undefined while workers still owe an answer. */
  get settlement(): Settlement | undefined {
    return this.#settled?.revision === this.#target?.revision ? this.#settled : undefined
  }

  /**
   * Publishes when the manifest changed; the same digest publishes nothing.
   * @throws GwProxyError GWP_DEFECT_INVARIANT when a part or key is missing: our own defect
   */
  update(update: ConfigUpdate): void {
    const current = this.#target
    if (current?.manifest.digest === update.manifest.digest) return
    const target = targetOf(update, current)
    this.#ports.sockets.open(target.binds)
    this.#target = target
    this.#publish()
  }

  /** Tries failed sockets again and publishes what came open. */
  retrySockets(): void {
    if (this.#retryFailed() || this.#hasDeafSockets()) this.#revise()
  }

  /** Bound by us, but a worker could not listen: another process was first. */
  #hasDeafSockets(): boolean {
    const settled = this.settlement
    if (settled === undefined || settled.refusals.length > 0) return false
    return settled.results.some(
      ({ bind, error }) => error !== undefined && this.#ports.sockets.state(bind)?.kind === 'open',
    )
  }

  /** A worker was forked: no settlement before it is greeted or gone. */
  starting(slot: Slot): void {
    this.#starting.add(slot)
  }

  /** It said hello and has its settings. */
  joined(slot: Slot, heldParts: readonly Digest[]): void {
    this.#starting.delete(slot)
    this.#ledgers.set(slot, new WorkerLedger(heldParts))
    this.#publish()
  }

  /** It is gone; its successor gets everything anew. */
  left(slot: Slot): void {
    this.#starting.delete(slot)
    this.#ledgers.delete(slot)
    if (this.#udpOwners.left(slot)) this.#revise()
    else this.#settle()
  }

  /** The predecessor has let go of its sockets: UDP is ours, and what could not be bound may be now. */
  released(): void {
    this.#awaitsUdp = false
    const hasUdp = this.#target?.binds.some(({ transport }) => transport === 'udp') ?? false
    if (this.#retryFailed() || hasUdp) this.#revise()
  }

  /** A worker's answer for a bind holds no longer: everybody is asked again. */
  bindsChanged(): void {
    this.#revise()
  }

  /** The worker's answer to a publish. */
  answered(slot: Slot, message: Extract<WorkerMessage, { type: 'ack' | 'nack' }>): void {
    const ledger = this.#ledgers.get(slot)
    if (ledger === undefined) return
    if (message.type === 'ack') ledger.acked(message.generation, message.binds)
    else ledger.refused(message.generation, message.message)
    this.#publish()
  }

  #revise(): void {
    if (this.#target === undefined) return
    this.#target = { ...this.#target, revision: this.#target.revision + 1 }
    this.#publish()
  }

  #publish(): void {
    const target = this.#target
    if (target === undefined) return
    this.#assignUdp(target)
    for (const [slot, ledger] of this.#ledgers) {
      const outgoing = ledger.next(
        target,
        (bind) => this.#ports.sockets.state(bind),
        (bind) => this.#udpOwners.isOwner(slot, bind),
        (bind) => this.#ports.datagramsOf?.(bind) ?? [],
      )
      for (const one of outgoing) this.#ports.send(slot, one)
    }
    this.#settle()
  }

  #assignUdp({ binds }: Target): void {
    if (this.#awaitsUdp) return
    const wanted = binds.flatMap(({ transport, key }) => (transport === 'udp' ? key : []))
    this.#udpOwners.assign(
      wanted,
      [...this.#ledgers.keys()],
      (slot, bind) => this.#ledgers.get(slot)?.holds(bind) === true,
    )
  }

  #settle(): void {
    const target = this.#target
    if (target === undefined || this.#starting.size > 0 || this.#ledgers.size === 0) return
    const answers: Answer[] = []
    for (const { answer } of this.#ledgers.values()) {
      if (answer?.revision !== target.revision) return
      answers.push(answer)
    }
    const refusals = answers.flatMap((answer) => (answer.kind === 'refused' ? answer.message : []))
    // A worker that refused still accepts on the sockets of the generation before.
    const released = refusals.length === 0 && this.#release(target)
    if (refusals.length === 0) {
      const { manifest, parts, binds } = target
      this.#served = { manifest, parts, binds }
    }
    const ofBinds = target.binds.map((bind) => mergeResults(bind, answers))
    // A new bind may have overlapped one that is closed only now: an address and a wildcard.
    const isFree = released && this.#retryFailed()
    const isFreeUdp = this.#udpOwners.takeReleased() && hasFailedUdp(target, ofBinds)
    if (isFree || isFreeUdp) return this.#revise()
    this.#settled = {
      revision: target.revision,
      generation: target.manifest.generation,
      results: [...ofBinds, ...this.#ports.sockets.ownAddresses],
      refusals,
    }
    this.#ports.onSettled(this.#settled)
    if (released && this.#hasDeafSockets()) this.#revise()
  }

  /** True when there is something new to publish. */
  #retryFailed(): boolean {
    const { sockets } = this.#ports
    return sockets.hasFailures && sockets.retry()
  }

  #release(target: Target): boolean {
    return this.#ports.sockets.retain(new Set(target.binds.map(({ key }) => key)))
  }
}

/** `results` of its binds, in their order. */
function hasFailedUdp({ binds }: Target, results: readonly BindResult[]): boolean {
  return binds.some(
    ({ transport }, index) => transport === 'udp' && results[index]?.error !== undefined,
  )
}

function targetOf(update: ConfigUpdate, before: Target | undefined): Target {
  const { manifest } = update
  const parts = partsOf(update, before)
  // Where it was said what is gone, both were made of the same words: their number tells.
  if (update.gone === undefined || parts.size !== manifest.parts.size) {
    for (const digest of manifest.parts) {
      if (!parts.has(digest)) throw missing(`part ${digest}`, manifest)
    }
  }
  const keys = keysOf(update, parts, before)
  const binds = manifest.binds.map((digest): BindPart => {
    const part = parts.get(digest)
    if (part?.kind !== 'bind') throw missing(`bind ${digest}`, manifest)
    return part
  })
  const come = before && { since: before.manifest.parts, parts: update.parts }
  return {
    revision: (before?.revision ?? 0) + 1,
    manifest,
    parts,
    keys,
    binds,
    ...(update.gone !== undefined && come && { come }),
  }
}

/** Those of its certificates, and no other: the same map as long as no certificate comes or goes. */
function keysOf(
  { manifest, keys: sent, parts: fresh, gone }: ConfigUpdate,
  parts: ReadonlyMap<Digest, KeptPart>,
  before: Target | undefined,
): ReadonlyMap<Digest, KeyMaterial> {
  if (
    before !== undefined &&
    changedParts({ parts: fresh, gone }, before)?.some(isCertificate) === false
  ) {
    return before.keys
  }
  const known = new Map(before?.keys)
  for (const key of sent) known.set(key.keyId, key)
  const keys = new Map<Digest, KeyMaterial>()
  for (const part of parts.values()) {
    if (!isCertificate(part)) continue
    const key = known.get(part.keyId)
    if (key === undefined) throw missing(`key ${part.keyId}`, manifest)
    keys.set(part.keyId, key)
  }
  return keys
}

/** Those that came or went; undefined: nobody said what is gone. */
export function changedParts(
  { parts, gone }: Pick<ConfigUpdate, 'parts'> & { readonly gone?: readonly Digest[] | undefined },
  before: Served | undefined,
): readonly (KeptPart | undefined)[] | undefined {
  const left = gone?.map((digest) => before?.parts.get(digest))
  return left && [...left, ...parts.map(([, part]) => part)]
}

function isCertificate(part: KeptPart | undefined): part is CertificatePart {
  return part?.kind === 'certificate'
}

/** Those of the manifest, and no other. */
function partsOf(
  { manifest, parts: sent, gone = [] }: ConfigUpdate,
  before: Target | undefined,
): ReadonlyMap<Digest, KeptPart> {
  const parts = new Map(before?.parts)
  for (const digest of gone) parts.delete(digest)
  for (const [digest, part] of sent) parts.set(digest, part)
  if (parts.size === manifest.parts.size) return parts
  // Nobody said what is gone.
  for (const digest of [...parts.keys()]) if (!manifest.parts.has(digest)) parts.delete(digest)
  return parts
}

function missing(what: string, manifest: Manifest): GwProxyError {
  return new GwProxyError(
    'GWP_DEFECT_INVARIANT',
    `generation ${manifest.generation} came without its ${what}`,
  )
}

/** The first error wins; a worker that refused the generation serves none of its binds anew. */
function mergeResults({ key: bind }: BindPart, answers: readonly Answer[]): BindResult {
  for (const answer of answers) {
    if (answer.kind === 'refused') {
      return { bind, error: { errno: 'REFUSED', message: refusalText(answer.message) } }
    }
    const error = answer.binds.find((result) => result.bind === bind)?.error
    if (error !== undefined) return { bind, error }
  }
  return { bind }
}

function refusalText(message: string): string {
  return `a worker refused this configuration and keeps the one before: ${message}`
}
