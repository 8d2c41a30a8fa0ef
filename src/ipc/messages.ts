/**
 * What control and a worker say to each other (node:child_process IPC, or memory-link with
 * `--workers 0`), and what control gets from the config thread: control/config-protocol.ts has the
 * form in which that travels.
 */
import type { Digest } from '../base/brand.ts'
import type { Diagnostic, Origin } from '../model/diagnostic.ts'
import type { ResourceKey } from '../model/resource-key.ts'
import type { BindKey } from '../model/identity.ts'
import type { Manifest, KeptPart } from '../model/snapshot.ts'
import type { BindResult, ObjectStatus, PendingProgrammed } from '../model/status.ts'
import type { KeyMaterial, TicketRoots } from '../model/tls.ts'
import type { AccessLogSettings, LogTarget } from '../observe/access-log-settings.ts'
import type { TrafficDelta } from '../observe/traffic-meter.ts'

// --- config thread -> control ---

/** One object as `kubectl get -o yaml` would show it, less status; Secret values are redacted. */
export interface ObjectRecord {
  readonly key: ResourceKey
  readonly apiVersion: string
  readonly origin: Origin
  readonly generation: number
  /** Milliseconds since the epoch: its creationTimestamp, else when it was first seen. */
  readonly seenAt: number
  /** Served from its last good version. */
  readonly stale: boolean
  /** Its JSON: a text crosses threads at a fraction of the cost, and most are never looked at. */
  readonly object: string
}

/** The result of one pass over the files. Parts already sent are not repeated. */
export interface ConfigUpdate {
  readonly type: 'config-update'
  /** Counts passes over the files, also those that change nothing. */
  readonly pass: number
  readonly manifest: Manifest
  readonly parts: readonly (readonly [Digest, KeptPart])[]
  /** Parts of the update before that the manifest does not name; absent: to be found out. */
  readonly gone?: readonly Digest[]
  readonly keys: readonly KeyMaterial[]
  readonly statuses: readonly ObjectStatus[]
  readonly pending: readonly PendingProgrammed[]
  readonly objects: readonly ObjectRecord[]
  readonly diagnostics: readonly Diagnostic[]
  readonly counts: {
    readonly files: number
    readonly objects: number
    readonly stale: number
  }
  readonly durationMs: number
}

/** The config thread cannot go on at all. */
export interface ConfigFailed {
  readonly type: 'config-failed'
  readonly message: string
}

// --- worker -> control ---

export interface WorkerHello {
  readonly type: 'hello'
  readonly build: string
  readonly pid: number
  readonly heldParts: readonly Digest[]
}

export interface WorkerAck {
  readonly type: 'ack'
  readonly generation: number
  readonly binds: readonly BindResult[]
}

/** Compiling threw: the old runtime stays. */
export interface WorkerNack {
  readonly type: 'nack'
  readonly generation: number
  readonly message: string
}

export interface WorkerStats {
  readonly connections: number
  readonly exchanges: number
  readonly runtimes: number
  /** Log lines that were lost since the worker started: nobody read them in time. */
  readonly droppedLines: number
  /** How much later than asked the event loop came to a timer, since the last beat; milliseconds. */
  readonly loopDelayMs: { readonly p50: number; readonly p99: number; readonly max: number }
  readonly residentBytes: number
  /** Of user and system, since the process started. */
  readonly cpuSeconds: number
}

export interface EndpointHealth {
  readonly upstream: string
  readonly endpoint: string
  readonly healthy: boolean
  readonly ejectedForMs?: number
  /** It was ejected and has not succeeded since: the next failure ejects it again, for longer. */
  readonly isOnTrial?: true
}

export type WorkerMessage =
  | WorkerHello
  | WorkerAck
  | WorkerNack
  | {
      readonly type: 'heartbeat'
      readonly stats: WorkerStats
      /** Of every upstream in use; absent: as with the last beat. */
      readonly endpoints?: readonly EndpointHealth[]
      /** Counted since the last beat; absent: nothing. */
      readonly traffic?: TrafficDelta
    }
  /** All connections to a name's addresses failed: resolve it again now. */
  | { readonly type: 'name-failed'; readonly name: string }
  /** An address of a UDP bind came or went: what was acked for it is no longer so. */
  | { readonly type: 'binds-changed' }
  /** Of `lend-udp`, one for each socket, the handle beside it; still read from here. */
  | {
      readonly type: 'udp-lent'
      readonly turn: number
      readonly bind: BindKey
      readonly address: string
    }
  /** That was all. */
  | { readonly type: 'all-udp-lent'; readonly turn: number }
  /** While draining for a successor: it takes nothing new from any socket. */
  | { readonly type: 'released' }
  | { readonly type: 'drained' }

// --- control -> worker ---

/** What moves the bytes of connections; `auto`: the fastest that works here. */
export type IoMode = 'auto' | 'native' | 'raw' | 'streams'

/** Settings that a worker gets once, before anything else. */
export interface WorkerSettings {
  readonly trustedProxies: readonly string[]
  /** Which entry of X-Forwarded-For is the client, from the right; undefined: by the proxies' addresses. */
  readonly forwardedDepth?: number | undefined
  /** undefined: none is written. */
  readonly accessLog: AccessLogSettings | undefined
  readonly log: LogTarget
  readonly logLevel: string
  readonly logFormat: 'json' | 'pretty'
  /** This worker's share of 0.4 x RLIMIT_NOFILE. */
  readonly maxConnections: number
  readonly io: IoMode
  readonly limits: Limits
  /** What all processes of gwproxy may use together; absent: the machine's own memory. */
  readonly memory?: MemoryLimit | undefined
  /** What the tokens of sessions are sealed with: 32 bytes in base64, equal in all workers. */
  readonly sessionSecret: string
}

/** A limit of the control group, and where the kernel tells how much of it is used. */
export interface MemoryLimit {
  readonly limitBytes: number
  /** A file with a number: the bytes in use, those of the page cache included. */
  readonly usagePath: string
  /** A file of `name bytes` lines. */
  readonly statPath: string
  /** Of that file: page cache that nobody misses. */
  readonly cacheField: string
}

/** Deadlines and bounds of security.md section 3. Milliseconds and bytes. */
export interface Limits {
  readonly handshakeMs: number
  readonly helloBytes: number
  readonly headersMs: number
  readonly headerBytes: number
  readonly bodyIdleMs: number
  /** An exchange on which nothing moves in either direction. */
  readonly streamIdleMs: number
  readonly connectMs: number
  /** For the whole answer of an external auth service. */
  readonly authMs: number
  readonly tcpIdleMs: number
  readonly udpIdleMs: number
  /** Of one UDP bind; more evict the oldest. */
  readonly udpFlows: number
  readonly httpIdleMs: number
  readonly streamsPerConnection: number
  /** What connections of a removed listener have left; a worker's own drain names its deadline. */
  readonly drainMs: number
}

export const DEFAULT_LIMITS: Limits = {
  handshakeMs: 10_000,
  helloBytes: 65_536,
  headersMs: 10_000,
  headerBytes: 65_536,
  bodyIdleMs: 60_000,
  streamIdleMs: 300_000,
  connectMs: 5_000,
  authMs: 5_000,
  tcpIdleMs: 3_600_000,
  udpIdleMs: 60_000,
  udpFlows: 4096,
  httpIdleMs: 75_000,
  streamsPerConnection: 100,
  drainMs: 8_000,
}

export interface ResolvedName {
  readonly name: string
  /** Literal addresses, best first; empty: does not resolve. */
  readonly addresses: readonly string[]
}

export type ControlMessage =
  | { readonly type: 'settings'; readonly settings: WorkerSettings }
  | {
      readonly type: 'publish'
      readonly manifest: Manifest
      readonly parts: readonly (readonly [Digest, KeptPart])[]
      readonly keys: readonly KeyMaterial[]
    }
  /** Precedes the publish that needs it. The socket itself travels as the handle beside the message. */
  | { readonly type: 'socket'; readonly bind: BindKey }
  /** Control could not bind it; the worker acks the bind with this error. */
  | { readonly type: 'socket-failed'; readonly result: BindResult }
  /** Precedes the publish that needs it: this worker alone opens and serves the UDP bind. */
  | { readonly type: 'own-udp'; readonly bind: BindKey }
  /**
   * Follows it: for one address of the bind the socket is there already, the handle beside the message.
   * `isKept`: control keeps a descriptor of it, which is why it is never closed for good.
   */
  | {
      readonly type: 'datagrams'
      readonly bind: BindKey
      readonly address: string
      readonly isKept: boolean
    }
  /** A successor will have the UDP sockets that this worker has opened; `turn` comes back. */
  | { readonly type: 'lend-udp'; readonly turn: number }
  | { readonly type: 'names'; readonly names: readonly ResolvedName[] }
  /** Resolved no more: no upstream of the snapshots from here on has them. */
  | { readonly type: 'names-gone'; readonly names: readonly string[] }
  | { readonly type: 'ticket-roots'; readonly roots: TicketRoots }
  /** `hasSuccessor`: another process has the sockets that were lent, and waits for the others. */
  | { readonly type: 'drain'; readonly deadlineMs: number; readonly hasSuccessor?: true }
  | { readonly type: 'reopen-logs' }
