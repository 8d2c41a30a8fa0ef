/**
 * Programmed, once the workers told how the sockets fared (digest sections 2.2 and 9.1). Pure, and
 * free of schemas, so that control can apply it without translating anew.
 */
import type { ResourceKey } from '../../model/resource-key.ts'
import { keyText } from '../../model/resource-key.ts'
import type { BindKey } from '../../model/identity.ts'
import type {
  BindResult,
  Condition,
  ListenerStatus,
  ObjectStatus,
  PendingProgrammed,
  StatusBody,
} from '../../model/status.ts'

type BindError = NonNullable<BindResult['error']>

/** What one listener's sockets came to; `unknown`: not all of them answered yet. */
type ListenerOutcome =
  | { readonly kind: 'bound' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'failed'; readonly bind: BindKey; readonly error: BindError }

/** Who has listeners. */
type ParentBody = Extract<StatusBody, { kind: 'gateway' | 'listener-set' }>

/**
 * Replaces Programmed=Unknown/Pending of listeners, Gateways and ListenerSets by what `results` say.
 * `binary` is the program that needs the permission to bind low ports, for the message.
 */
export function applyBindResults(
  statuses: readonly ObjectStatus[],
  pending: readonly PendingProgrammed[],
  results: readonly BindResult[],
  binary: string = process.execPath,
): readonly ObjectStatus[] {
  const byBind = new Map(results.map((result) => [result.bind, result]))
  const outcomes = new Map(
    pending.map((entry) => [listenerText(entry.owner, entry.listener), outcomeOf(entry, byBind)]),
  )
  const missing = new Set(results.filter(isMissing).map(({ bind }) => addressOf(bind)))
  return statuses.map((status) => {
    switch (status.body.kind) {
      case 'gateway': {
        const body = applyToParent(status.key, status.body, judge, outcomes, binary)
        // Those that are bound, as the specification has it.
        const addresses = body.addresses.filter(({ value }) => !missing.has(value))
        return { ...status, body: { ...body, addresses } }
      }
      case 'listener-set':
        return {
          ...status,
          body: applyToParent(status.key, status.body, judgeSet, outcomes, binary),
        }
      default:
        return status
    }
  })
}

/** An address that this machine lacks. */
function isMissing({ error }: Pick<BindResult, 'error'>): boolean {
  return error?.errno === 'EADDRNOTAVAIL'
}

function placeOf(bind: BindKey): string {
  return bind.slice(bind.indexOf('/') + 1)
}

function addressOf(bind: BindKey): string {
  const place = placeOf(bind)
  return place.slice(0, place.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1')
}

/** What is wrong with a bind and what to do, without a final word on what is affected. */
export function bindFailureMessage(bind: BindKey, error: BindError, binary: string): string {
  const place = placeOf(bind)
  const port = place.slice(place.lastIndexOf(':') + 1)
  const start = `Cannot listen on ${place} (${error.errno})`
  const socketKind = bind.startsWith('udp/') ? 'u' : 't'
  switch (error.errno) {
    case 'EADDRINUSE':
      return `${start}: another process holds the port; find it with "ss -l${socketKind}np 'sport = :${port}'".`
    case 'EACCES':
      return `${start}: no permission. Ports below 1024 need CAP_NET_BIND_SERVICE: AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit, or "setcap cap_net_bind_service=+ep ${binary}", or "sysctl net.ipv4.ip_unprivileged_port_start=${port}".`
    case 'EADDRNOTAVAIL':
      return `${start}: no interface of this machine has the address; correct spec.addresses or add the address.`
    default:
      return `${start}: ${error.message}.`
  }
}

function listenerText(owner: ResourceKey, listener: string): string {
  return `${keyText(owner)}#${listener}`
}

function outcomeOf(
  { binds }: PendingProgrammed,
  results: ReadonlyMap<BindKey, BindResult>,
): ListenerOutcome {
  const failed = binds.flatMap((bind) => {
    const error = results.get(bind)?.error
    return error === undefined ? [] : [{ kind: 'failed' as const, bind, error }]
  })
  const worst = failed.find(isMissing) ?? failed[0]
  if (worst !== undefined) return worst
  return { kind: binds.every((bind) => results.has(bind)) ? 'bound' : 'unknown' }
}

function applyToParent<Body extends ParentBody>(
  key: ResourceKey,
  body: Body,
  judgeAll: (outcomes: readonly ListenerOutcome[]) => Verdict | undefined,
  outcomes: ReadonlyMap<string, ListenerOutcome>,
  binary: string,
): Body {
  const listeners = body.listeners.map((listener) => {
    const outcome = outcomes.get(listenerText(key, listener.name))
    return outcome === undefined ? listener : applyToListener(listener, outcome, body.kind, binary)
  })
  const own = body.listeners.flatMap(({ name }) => outcomes.get(listenerText(key, name)) ?? [])
  // One that waits for nothing has its final condition already.
  if (own.length === 0) return body
  return { ...body, listeners, conditions: withProgrammed(body.conditions, judgeAll(own)) }
}

function applyToListener(
  listener: ListenerStatus,
  outcome: ListenerOutcome,
  parent: ParentBody['kind'],
  binary: string,
): ListenerStatus {
  if (outcome.kind === 'unknown') return listener
  const verdict: Verdict =
    outcome.kind === 'bound'
      ? { status: 'True', reason: 'Programmed', message: 'The listener serves.' }
      : {
          status: 'False',
          // The reasons of a Gateway's listener have no better one.
          reason: parent === 'gateway' ? 'Invalid' : 'PortUnavailable',
          message: bindFailureMessage(outcome.bind, outcome.error, binary),
        }
  return { ...listener, conditions: withProgrammed(listener.conditions, verdict) }
}

type Verdict = Pick<Condition, 'status' | 'reason' | 'message'>

/** An address that this machine lacks spoils the Gateway; else one listener that serves is enough. */
function judge(outcomes: readonly ListenerOutcome[]): Verdict | undefined {
  const failed = outcomes.filter((outcome) => outcome.kind === 'failed')
  const unusable = failed.find(isMissing)
  if (unusable !== undefined) {
    const message = `No interface of this machine has the address ${addressOf(unusable.bind)}; correct spec.addresses or add the address.`
    return { status: 'False', reason: 'AddressNotUsable', message }
  }
  if (outcomes.some(({ kind }) => kind === 'unknown')) return undefined
  if (failed.length < outcomes.length) {
    const rest = failed.length === 0 ? '' : ' Some listeners do not; see their conditions.'
    return { status: 'True', reason: 'Programmed', message: `The Gateway serves.${rest}` }
  }
  return {
    status: 'False',
    reason: 'Invalid',
    message: 'No listener could be bound; see their conditions.',
  }
}

/** Of a ListenerSet, in its own terms: the addresses are the Gateway's. */
function judgeSet(outcomes: readonly ListenerOutcome[]): Verdict | undefined {
  const verdict = judge(outcomes)
  if (verdict?.status !== 'False') {
    return verdict && { ...verdict, message: 'The ListenerSet serves.' }
  }
  return verdict.reason === 'AddressNotUsable'
    ? {
        ...verdict,
        reason: 'ParentNotProgrammed',
        message: 'The parent Gateway is not programmed.',
      }
    : { ...verdict, reason: 'PortUnavailable' }
}

function withProgrammed(
  conditions: readonly Condition[],
  verdict: Verdict | undefined,
): readonly Condition[] {
  if (verdict === undefined) return conditions
  return conditions.map((condition) =>
    condition.type === 'Programmed' ? { ...condition, ...verdict } : condition,
  )
}
