/**
 * What a gwproxy and the new process that it starts for an upgrade say to each other, over the IPC
 * channel between the two (ADR 11). Only `hello` and `failed` must be understood by every version.
 */
import type { BindKey } from '../model/identity.ts'
import type { TicketRoots } from '../model/tls.ts'

/** Counts changes of the messages below and of what is inherited. */
export const HAND_OVER_PROTOCOL = 2

/** Its variable: the protocol of the process that started this one. */
export const HAND_OVER_VARIABLE = 'GWPROXY_HAND_OVER'

/** What travels only here, never through the environment or a file. */
export interface Inheritance {
  readonly build: string
  /** Sockets that the old process has bound itself; those of systemd come as systemd passes them. */
  readonly sockets: readonly { readonly bind: BindKey; readonly fd: number }[]
  /** As those, for datagrams: one for each address of a bind. */
  readonly datagrams: readonly {
    readonly bind: BindKey
    readonly address: string
    readonly fd: number
  }[]
  /** So that TLS sessions resume with the new process, and sessions find their endpoint. */
  readonly ticketRoots: TicketRoots
  readonly sessionSecret: string
  /** Descriptor of the channel to the process whose pid the service is known by. */
  readonly lifeline: number | undefined
}

/** How the new process serves, while the old one still does as well. */
export interface Serving {
  readonly generation: number
  readonly failedBinds: readonly { readonly bind: BindKey; readonly message: string }[]
  /** Of the configuration, as `file:line:column: message`. */
  readonly errors: readonly string[]
  /** Objects that are served from their last good version. */
  readonly stale: number
}

export type SuccessorMessage =
  /** Its first word. */
  | {
      readonly type: 'hello'
      readonly protocol: number
      readonly build: string
      readonly pid: number
    }
  /** It cannot take over; its last word. */
  | { readonly type: 'failed'; readonly message: string }
  /** It accepts on every bind that it can. */
  | { readonly type: 'serving'; readonly serving: Serving }
  /** It has the admin interface and is the service from now on. */
  | { readonly type: 'taken' }

/** undefined: what came is none, be it from another version or half of one. */
export function readSuccessorMessage(value: unknown): SuccessorMessage | undefined {
  const message = recordOf(value)
  switch (message['type']) {
    case 'hello': {
      const { protocol, build, pid } = message
      if (typeof protocol !== 'number' || typeof build !== 'string') return undefined
      return typeof pid === 'number' ? { type: 'hello', protocol, build, pid } : undefined
    }
    case 'failed': {
      const { message: text } = message
      return typeof text === 'string' ? { type: 'failed', message: text } : undefined
    }
    case 'serving': {
      const { serving } = message
      return isServing(serving) ? { type: 'serving', serving } : undefined
    }
    case 'taken':
      return { type: 'taken' }
    default:
      return undefined
  }
}

function isServing(value: unknown): value is Serving {
  const { generation, failedBinds, errors, stale } = recordOf(value)
  return (
    typeof generation === 'number' &&
    typeof stale === 'number' &&
    Array.isArray(failedBinds) &&
    failedBinds.every((failed: unknown) => {
      const { bind, message } = recordOf(failed)
      return typeof bind === 'string' && typeof message === 'string'
    }) &&
    Array.isArray(errors) &&
    errors.every((error) => typeof error === 'string')
  )
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

export type PredecessorMessage =
  | { readonly type: 'inheritance'; readonly inheritance: Inheritance }
  /** The admin interface and the metrics port are free. */
  | { readonly type: 'take' }
  /** No worker of the old process accepts, or reads from a UDP socket, any more. */
  | { readonly type: 'released' }
  /** Not to be: finish what came meanwhile and end. */
  | { readonly type: 'stop' }

/** Why two processes cannot hand over; undefined: they can. */
export function protocolRefusal(
  ours: { readonly protocol: number; readonly build: string },
  theirs: { readonly protocol: number; readonly build: string },
): string | undefined {
  if (ours.protocol === theirs.protocol) return undefined
  return (
    `gwproxy ${theirs.build} hands over by protocol ${theirs.protocol}, gwproxy ${ours.build} by protocol ` +
    `${ours.protocol}: between these two versions only a restart is possible`
  )
}

/** What would be worse with the new process than it is with the old one; undefined: nothing. */
export function takeoverRefusal(
  before: Serving,
  served: ReadonlySet<BindKey>,
  after: Serving,
): string | undefined {
  const lost = after.failedBinds.find(({ bind }) => served.has(bind))
  if (lost !== undefined) return `the new process cannot serve ${lost.bind}: ${lost.message}`
  if (after.errors.length > before.errors.length) {
    const known = new Set(before.errors)
    const news = after.errors.filter((error) => !known.has(error))
    return `the configuration has errors that the running process does not have:\n${(news.length > 0 ? news : after.errors).join('\n')}`
  }
  if (after.stale < before.stale) {
    return (
      `${before.stale} objects are served from their last good version, which a new process ` +
      'knows by --state-dir only: mend their files first'
    )
  }
  return undefined
}
