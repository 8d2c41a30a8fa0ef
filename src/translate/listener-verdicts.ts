/**
 * What is true of each listener once everything about it is known. The conditions and the sockets
 * are both derived from this, so they cannot disagree.
 */
import type { Digest } from '../base/brand.ts'
import { type ListenerCertificates, resolveCertificates } from './certificates.ts'
import type { ClientAuth } from '../model/tls.ts'
import { type ClientValidation, resolveClientValidation } from './client-validation.ts'
import { findConflicts, type ListenerConflict } from './conflicts.ts'
import type { DocumentPath } from '../model/diagnostic.ts'
import type { TranslateContext } from './context.ts'
import { NO_HOLDINGS } from './holdings.ts'
import {
  isOfListenerSet,
  type OwnListener,
  terminatesTls,
  unsupportedProtocolMessage,
} from './listeners.ts'
import { findOverlaps } from './overlaps.ts'
import type { Problem } from './problem.ts'
import { ACCEPT_PROXY_PROTOCOL } from './proxy-protocol.ts'

export interface ListenerVerdict {
  readonly listener: OwnListener
  /** Accepted=False. */
  readonly accepted?: Problem
  /** Conflicted=True. */
  readonly conflicted?: Problem
  /** ResolvedRefs=False. */
  readonly resolvedRefs?: Problem
  /** OverlappingTLSConfig=True. */
  readonly overlapping?: Problem
  /** Of a ListenerSet whose Gateway is not accepted. */
  readonly parentProblem?: Problem<'ParentNotAccepted'>
  /** Programmed=False already now. Absent: it serves, once its sockets are bound. */
  readonly notServed?: Problem
  readonly certificates: readonly Digest[]
  /** What clients have to prove; a listener that cannot verify what it should is not served. */
  readonly clientAuth: ClientAuth
}

export function judgeListeners(
  context: TranslateContext,
  listeners: readonly OwnListener[],
): readonly ListenerVerdict[] {
  const { claims } = context.options.holdings ?? NO_HOLDINGS
  const conflicts = findConflicts(listeners, claims)
  const overlaps = findOverlaps(listeners)
  const verdicts = listeners.map((listener) => {
    const conflict = conflicts.get(listener.key)
    if (conflict !== undefined) reportConflict(context, listener, conflict)
    return judge(context, listener, conflict, overlaps.get(listener.key))
  })
  return underAcceptedParents(verdicts)
}

/** A set is served as far as its Gateway is accepted: one own listener of it must be valid. */
function underAcceptedParents(verdicts: readonly ListenerVerdict[]): readonly ListenerVerdict[] {
  const accepted = new Set(
    verdicts.flatMap(({ listener, accepted: problem }) =>
      isOfListenerSet(listener) || problem !== undefined || listener.gateway.accepted !== undefined
        ? []
        : listener.gateway,
    ),
  )
  return verdicts.map((verdict) => {
    const { listener } = verdict
    if (!isOfListenerSet(listener) || accepted.has(listener.gateway)) return verdict
    const message = 'The parent Gateway is not accepted.'
    return {
      ...verdict,
      parentProblem: { reason: 'ParentNotAccepted', message },
      notServed: { reason: 'Invalid', message },
    }
  })
}

function judge(
  context: TranslateContext,
  listener: OwnListener,
  conflict: ListenerConflict | undefined,
  overlapping: Problem | undefined,
): ListenerVerdict {
  const own = terminatesTls(listener) ? resolveCertificates(context, listener) : undefined
  const unsupported = unsupportedValue(context, listener)
  const clients = clientValidation(context, listener)
  const accepted =
    protocolProblem(listener) ?? conflict?.accepted ?? unsupported ?? clients.accepted
  const resolvedRefs = listener.kindsProblem ?? own?.problem ?? clients.resolvedRefs
  const notServed = whyNotServed(listener, accepted, own)
  return {
    listener,
    ...(accepted === undefined ? {} : { accepted }),
    ...(conflict?.conflicted === undefined ? {} : { conflicted: conflict.conflicted }),
    ...(resolvedRefs === undefined ? {} : { resolvedRefs }),
    ...(overlapping === undefined ? {} : { overlapping }),
    ...(notServed === undefined ? {} : { notServed }),
    certificates: own?.certificates ?? [],
    clientAuth: clients.clientAuth,
  }
}

/** The authorities are the Gateway's affair: a set is told that they are bad, not which. */
function clientValidation(context: TranslateContext, listener: OwnListener): ClientValidation {
  const found = resolveClientValidation(context, listener)
  if (!isOfListenerSet(listener)) return found
  const { clientAuth, accepted, resolvedRefs } = found
  const message = 'The Gateway names certificate authorities for clients that cannot be used.'
  return {
    clientAuth,
    ...(accepted === undefined ? {} : { accepted: { ...accepted, message } }),
    ...(resolvedRefs === undefined ? {} : { resolvedRefs: { ...resolvedRefs, message } }),
  }
}

function protocolProblem(listener: OwnListener): Problem<'UnsupportedProtocol'> | undefined {
  if (listener.protocol !== undefined) return undefined
  return { reason: 'UnsupportedProtocol', message: unsupportedProtocolMessage(listener) }
}

function unsupportedValue(
  context: TranslateContext,
  listener: OwnListener,
): Problem<'UnsupportedValue'> | undefined {
  const refuse = (path: DocumentPath, message: string): Problem<'UnsupportedValue'> => {
    const finding = { severity: 'error', code: 'unsupported', message } as const
    context.diagnostics.report(listener.owner, { ...finding, path: [...listener.path, ...path] })
    return { reason: 'UnsupportedValue', message }
  }
  const { spec, protocol, mode } = listener
  // The schema refuses it for HTTPS; of the alias GRPC it knows nothing.
  if (protocol?.family === 'HTTPS' && mode !== 'Terminate') {
    const message = `Protocol ${spec.protocol} ends TLS itself; for mode ${mode} use protocol TLS.`
    return refuse(['tls', 'mode'], message)
  }
  if (protocol?.family === 'UDP' && listener.gateway.proxyProtocol !== undefined) {
    const message = `PROXY protocol, which ${ACCEPT_PROXY_PROTOCOL} of the Gateway asks for, is not taken in datagrams; have this listener in a Gateway without it.`
    return refuse(['protocol'], message)
  }
  const [option] = Object.keys(spec.tls?.options ?? {})
  if (option === undefined) return undefined
  // Options tighten TLS in other implementations: dropping one could be laxer than asked.
  const message = `tls.options: gwproxy knows no option ${JSON.stringify(option)}; remove it.`
  return refuse(['tls', 'options', option], message)
}

/** A conflict keeps its own reason, as does an entry's port; all else makes Programmed=False/Invalid. */
function whyNotServed(
  listener: OwnListener,
  accepted: Problem | undefined,
  certificates: ListenerCertificates | undefined,
): Problem | undefined {
  const { gateway } = listener
  if (gateway.accepted !== undefined) {
    return {
      reason: 'Invalid',
      message: `The Gateway is not accepted: ${gateway.accepted.message}`,
    }
  }
  if (accepted !== undefined) {
    const { reason, message } = accepted
    const isKept =
      reason.endsWith('Conflict') || (reason === 'PortUnavailable' && isOfListenerSet(listener))
    return { reason: isKept ? reason : 'Invalid', message }
  }
  if (certificates !== undefined && certificates.certificates.length === 0) {
    const message = certificates.problem?.message ?? 'There is no certificate.'
    return { reason: 'Invalid', message: `No usable certificate: ${message}` }
  }
  if (gateway.programmed !== undefined) {
    const message = isOfListenerSet(listener)
      ? 'The parent Gateway is not programmed.'
      : gateway.programmed.message
    return { reason: 'Invalid', message }
  }
  return undefined
}

function reportConflict(
  context: TranslateContext,
  { owner, path }: OwnListener,
  { accepted, field }: ListenerConflict,
): void {
  context.diagnostics.report(owner, {
    severity: 'error',
    code: 'conflict',
    path: [...path, field],
    message: accepted.message,
    ...(accepted.reason === 'PortUnavailable' ? { help: SHARING } : {}),
  })
}

const SHARING =
  'Gateways share a port when their listeners speak the same way on it (TLS, or plain HTTP) and have different hostnames; else give one of them another port or spec.addresses of its own.'
