/**
 * THE narrative of a connection, in time order: start, peek, route, handle, end. One total
 * handshake deadline from accept on (it survives the hand-over to TLS), one idempotent `end`.
 * A connection keeps its chain's slot and its endpoint; it can never reach a Runtime.
 */
import { assertNever } from '../base/assert-never.ts'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Limits } from '../ipc/messages.ts'
import type { SniChoice } from '../match/sni.ts'
import { type Outcome, outcomeRow, type Reason } from '../model/outcome.ts'
import type { BindKey, RouteRef } from '../model/identity.ts'
import type { BindPart, Chain } from '../model/snapshot.ts'
import type { AccessLog, TlsFacts } from '../observe/access-log.ts'
import { ClientHelloReader, type HelloVerdict } from '../wire/client-hello.ts'
import { type ProxiedEnds, type ProxyVerdict, readProxyHeader } from '../wire/proxy-protocol.ts'
import type { ChainSlot, Membership, SlotMember } from './chain-slot.ts'
import type { ConnectionSet, Living } from './connection-set.ts'
import type { LiveAction } from './handlers/contract.ts'
import type { HttpHub } from './http/contract.ts'
import type { Accepted, AcceptedSink, LossCause } from './io/accepted.ts'
import type { IoBackend } from './io/backend.ts'
import { Deadline, type TimerSink, type TimerWheel } from './timer-wheel.ts'
import type { TrustedProxies } from './trusted-proxies.ts'

/** What all connections of a worker share; nothing here leads to a runtime. */
export interface ConnectionContext {
  readonly clock: Clock
  readonly wheel: TimerWheel
  readonly io: IoBackend
  readonly limits: Limits
  /** Whose PROXY protocol headers are believed. */
  readonly trusted: TrustedProxies
  readonly httpHub: HttpHub
  readonly accessLog: AccessLog
  readonly connections: ConnectionSet
  nextId(): string
  /** A fault of ours that ended one connection. */
  onDefect(error: unknown): void
}

/** A chain, compiled: what a bind finds for a local address and SNI. */
export interface LiveChain {
  readonly chain: Chain
  readonly slot: ChainSlot
  readonly action: LiveAction
}

/** What a bind does before it knows a chain. */
export type Ingress = Pick<BindPart, 'ingress' | 'proxyProtocol'>

/** The bind's current tables, asked once and forgotten. */
export interface Router {
  readonly key: BindKey
  /** undefined: nothing was compiled for the bind yet; then `wait`. */
  readonly ingress: Ingress | undefined
  choose(localAddress: string, sni: string | undefined): SniChoice<LiveChain>
  wait(connection: Connection): void
  /** It ended before it was routed. */
  forget(connection: Connection): void
}

/** Whoever works for the connection at the moment: told once when it ends. */
export interface Stage {
  stop(how: 'fin' | 'reset'): void
}

/** Looks at first bytes until it has enough. */
export interface Inspector {
  onPeek(bytes: Buffer): boolean
}

/** What the connection's log line says beyond its addresses; filled in as it becomes known. */
export interface ConnectionFacts {
  sni: string | undefined
  tls: TlsFacts | undefined
  listener: string | undefined
  action: string | undefined
  route: RouteRef | undefined
  rule: string | undefined
  upstream: string | undefined
  endpoint: string | undefined
  /** Plain bytes of a relay; without one, bytes on the wire. */
  bytesReceived: number | undefined
  bytesSent: number | undefined
  /** Whole microseconds, as of `micros`. */
  peekUs: number | undefined
  handshakeUs: number | undefined
  connectUs: number | undefined
  exchanges: number | undefined
}

export class Connection implements AcceptedSink, TimerSink, SlotMember, Living {
  linkedIn: unknown = undefined
  linkedNext: Living | undefined = undefined
  linkedPrevious: Living | undefined = undefined
  readonly id: string
  readonly accepted: Accepted
  readonly context: ConnectionContext
  readonly facts: ConnectionFacts = noFacts()
  readonly #bind: BindKey
  readonly #startTime: number
  readonly #startedAt: number
  /** As a trusted proxy named them; until then those of the socket. */
  #ends: ProxiedEnds | undefined
  #router: Router | undefined
  #inspector: Inspector | undefined
  /** The handshake's total one, or that of HTTP headers; undefined: what it was for is over. */
  #deadline: Deadline | undefined
  #timeoutReason: Reason = 'handshake-timeout'
  #membership: Membership | undefined
  #drainDeadline: Deadline | undefined
  #stage: Stage | undefined
  #ended = false

  constructor(accepted: Accepted, router: Router, context: ConnectionContext) {
    this.id = context.nextId()
    this.accepted = accepted
    this.context = context
    this.#bind = router.key
    this.#router = router
    this.#startTime = context.clock.now()
    this.#startedAt = context.clock.monotonic()
  }

  /** Step 1: the deadline runs; a bind without tables keeps the connection until it has some. */
  start(): void {
    this.context.connections.add(this)
    this.accepted.watch(this)
    this.#arm(this.context.limits.handshakeMs)
    try {
      if (this.#router?.ingress === undefined) this.#router?.wait(this)
      else this.enterIngress(this.#router.ingress)
    } catch (error) {
      this.fail(error)
    }
  }

  /** Step 2: who it speaks for, where the bind's peers are to tell. */
  enterIngress({ ingress, proxyProtocol }: Ingress): void {
    if (this.#ended) return
    const { peerAddress } = this.accepted
    if (proxyProtocol === undefined) this.#begin(ingress)
    else if (this.context.trusted.has(peerAddress)) {
      this.inspect(new ProxyInspector(this, ingress, proxyProtocol === 'required'))
    } else if (proxyProtocol === 'optional') this.#begin(ingress)
    else this.end({ reason: 'proxy-peer-untrusted', detail: 'its address is no --trusted-proxy' })
  }

  /** Step 3: the first bytes of whom it speaks for. */
  #begin(ingress: BindPart['ingress']): void {
    switch (ingress) {
      case 'tls':
        this.inspect(new HelloInspector(this))
        return
      case 'http':
      case 'tcp':
        this.#route(undefined)
        return
      case 'udp':
        this.end({ reason: 'internal-error', detail: 'a UDP bind accepted a connection' })
        return
      default:
        assertNever(ingress)
        return
    }
  }

  /** Reads first bytes; `timeoutMs` replaces the handshake's deadline by that of HTTP headers. */
  inspect(inspector: Inspector, timeoutMs?: number): void {
    this.#inspector = inspector
    if (timeoutMs !== undefined) {
      this.#timeoutReason = 'header-timeout'
      this.#arm(timeoutMs)
    }
    this.accepted.peek()
  }

  onPeek(bytes: Buffer): boolean {
    if (this.#ended || this.#inspector === undefined) return true
    try {
      return this.#inspector.onPeek(bytes)
    } catch (error) {
      this.fail(error)
      return true
    }
  }

  /** Step 2a: the header is judged; what came after it counts as the first bytes. */
  onProxyHeader(verdict: ProxyVerdict, bytes: Buffer, inspector: ProxyInspector): boolean {
    switch (verdict.kind) {
      case 'more':
        return false
      case 'complete':
        this.#ends = verdict.ends
        this.accepted.skip(verdict.length)
        return this.#beginWith(bytes.subarray(verdict.length), inspector.ingress)
      case 'absent':
        if (!inspector.isRequired) return this.#beginWith(bytes, inspector.ingress)
        this.end({ reason: 'proxy-header-invalid', detail: 'no PROXY protocol header' })
        return true
      case 'malformed':
        this.end({ reason: 'proxy-header-invalid', detail: verdict.detail })
        return true
      default:
        return assertNever(verdict)
    }
  }

  #beginWith(bytes: Buffer, ingress: BindPart['ingress']): boolean {
    this.#inspector = undefined
    this.#begin(ingress)
    return this.#inspector !== undefined && bytes.length === 0 ? false : this.onPeek(bytes)
  }

  /** Who the connection speaks for, and the address that was asked for. */
  get ends(): ProxiedEnds {
    return this.#ends ?? socketEnds(this.accepted)
  }

  /** Step 3a: the hello is judged. Before routing nothing is written, not even an alert. */
  onHello(verdict: HelloVerdict): boolean {
    switch (verdict.kind) {
      case 'more':
        return false
      case 'complete':
        this.facts.peekUs = this.micros()
        this.#route(verdict.hello.sni)
        return true
      case 'not-tls':
        this.end({ reason: 'not-tls', detail: FOREIGN[verdict.protocol] })
        return true
      case 'malformed':
        this.end({ reason: 'malformed-hello', detail: verdict.detail })
        return true
      case 'too-large':
        this.end({ reason: 'hello-too-large' })
        return true
      default:
        return assertNever(verdict)
    }
  }

  /** Step 3b: local address and SNI choose the chain; it does the rest. */
  #route(sni: string | undefined): void {
    const choice = this.#router?.choose(this.accepted.localAddress, sni)
    this.#router = undefined
    this.#inspector = undefined
    if (choice === undefined || choice.kind === 'invalid') {
      this.end({ reason: 'malformed-hello', detail: 'the SNI is no host name' })
      return
    }
    this.facts.sni = choice.name
    if (choice.kind === 'none') {
      this.end({ reason: 'no-chain' })
      return
    }
    const { chain, slot, action } = choice.value
    this.#membership = slot.join(this)
    this.facts.listener = chain.listener
    this.facts.action = chain.action.kind
    // What has no handshake of ours has deadlines of its own from here on.
    if (chain.action.kind !== 'tls-terminate') this.inTime()
    action.start(this)
  }

  /** Step 4: `stage` works for the connection from now on. */
  enter(stage: Stage): void {
    this.#stage = stage
  }

  #arm(delayMs: number): void {
    this.#deadline ??= new Deadline(this.context.wheel, this)
    this.#deadline.arm(delayMs)
  }

  /** The handshake, or what is waited for behind it, is over: a connection that lasts has no deadline. */
  inTime(): void {
    this.#deadline?.cancel()
    this.#deadline = undefined
  }

  remainingHandshakeMs(): number {
    return Math.max(0, this.context.limits.handshakeMs - this.#elapsed())
  }

  onLost(cause: LossCause, detail: string): void {
    this.end({ reason: cause === 'reset' ? 'client-reset' : 'client-closed', detail })
  }

  /** The listener went or its trust domain changed: the drain deadline is left. */
  onRetired(): void {
    this.#drainDeadline ??= new Deadline(this.context.wheel, this)
    this.#drainDeadline.arm(this.context.limits.drainMs)
  }

  onDeadline(timer: Deadline): void {
    if (timer === this.#drainDeadline) this.end({ reason: 'listener-removed' })
    else this.end({ reason: this.#timeoutReason })
  }

  onDefect(error: unknown): void {
    this.fail(error)
  }

  /** What a stranger's bytes brought out in us costs this connection, not the others. */
  fail(error: unknown): void {
    this.context.onDefect(error)
    this.end({ reason: 'internal-error', detail: messageOf(error) })
  }

  /** The last step, once: sockets closed, slot left, one line written. Never throws. */
  end(outcome: Outcome): void {
    if (this.#ended) return
    this.#ended = true
    const how = outcomeRow(outcome.reason).l4
    this.inTime()
    this.#drainDeadline?.cancel()
    this.#router?.forget(this)
    this.#router = undefined
    this.#inspector = undefined
    try {
      this.#stage?.stop(how)
    } catch (error) {
      this.context.onDefect(error)
    }
    this.#stage = undefined
    try {
      this.accepted.close(how)
      this.#membership?.leave()
      this.#writeLine(outcome)
    } catch (error) {
      this.context.onDefect(error)
    }
    this.#membership = undefined
    // Last: the set of a draining worker may become empty, and then the log is closed.
    this.context.connections.delete(this)
  }

  #writeLine(outcome: Outcome): void {
    const { accepted, facts } = this
    // Named one by one: a spread of the facts costs as much as the line.
    this.context.accessLog.connection({
      startTime: this.#startTime,
      connectionId: this.id,
      bind: this.#bind,
      listener: facts.listener,
      peer: addressText(accepted.peerAddress, accepted.peerPort),
      client: this.ends.source.address,
      local: addressText(accepted.localAddress, accepted.localPort),
      sni: facts.sni,
      tls: facts.tls,
      action: facts.action,
      route: facts.route,
      rule: facts.rule,
      upstream: facts.upstream,
      endpoint: facts.endpoint,
      bytesReceived: facts.bytesReceived ?? accepted.bytesReceived,
      bytesSent: facts.bytesSent ?? accepted.bytesSent,
      durationMs: this.#elapsed(),
      peekMs: millis(facts.peekUs),
      handshakeMs: millis(facts.handshakeUs),
      connectMs: millis(facts.connectUs),
      exchanges: facts.exchanges,
      reason: outcome.reason,
      detail: outcome.detail,
    })
  }

  /**
   * Whole microseconds since it was accepted. For its first half hour a small integer, which V8 keeps in
   * the object that has it.
   */
  micros(): number {
    return Math.round(this.#elapsed() * 1000)
  }

  #elapsed(): number {
    return this.context.clock.monotonic() - this.#startedAt
  }
}

class ProxyInspector implements Inspector {
  readonly #connection: Connection
  readonly ingress: BindPart['ingress']
  readonly isRequired: boolean

  constructor(connection: Connection, ingress: BindPart['ingress'], isRequired: boolean) {
    this.#connection = connection
    this.ingress = ingress
    this.isRequired = isRequired
  }

  onPeek(bytes: Buffer): boolean {
    return this.#connection.onProxyHeader(readProxyHeader(bytes), bytes, this)
  }
}

class HelloInspector implements Inspector {
  readonly #connection: Connection
  readonly #reader: ClientHelloReader

  constructor(connection: Connection) {
    this.#connection = connection
    this.#reader = new ClientHelloReader(connection.context.limits.helloBytes)
  }

  onPeek(bytes: Buffer): boolean {
    return this.#connection.onHello(this.#reader.read(bytes))
  }
}

const FOREIGN = {
  http: 'plain HTTP on a TLS port',
  http2: 'plain HTTP/2 on a TLS port',
  ssh: 'SSH on a TLS port',
  proxy: 'PROXY protocol header on a port that does not expect one',
  sslv2: 'SSLv2 hello',
  postgres: 'PostgreSQL SSLRequest: start TLS directly',
  unknown: 'no TLS record',
} as const

function millis(micros: number | undefined): number | undefined {
  return micros === undefined ? undefined : micros / 1000
}

function socketEnds({ peerAddress, peerPort, localAddress, localPort }: Accepted): ProxiedEnds {
  return {
    source: { address: peerAddress, port: peerPort },
    destination: { address: localAddress, port: localPort },
  }
}

/** As the log writes it. */
export function addressText(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

function noFacts(): ConnectionFacts {
  return {
    sni: undefined,
    tls: undefined,
    listener: undefined,
    action: undefined,
    route: undefined,
    rule: undefined,
    upstream: undefined,
    endpoint: undefined,
    bytesReceived: undefined,
    bytesSent: undefined,
    peekUs: undefined,
    handshakeUs: undefined,
    connectUs: undefined,
    exchanges: undefined,
  }
}
