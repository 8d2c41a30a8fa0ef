/**
 * The Gateways that are ours, with their bind addresses and what is wrong with them as a whole
 * (digest section 2.2; addresses: DESIGN.md decision 6).
 */
import type { Gateway } from '../api/gateway.ts'
import { compareAge, type Resource } from '../api/resource.ts'
import { displayKey } from '../model/resource-key.ts'
import type { BindPart } from '../model/snapshot.ts'
import type { StatusAddress } from '../model/status.ts'
import { type ClientIdentity, resolveClientIdentity } from './client-identity.ts'
import type { TranslateContext } from './context.ts'
import { addressTypeProblem, assignAddresses } from './gateway-addresses.ts'
import { type OwnClass, ownershipOf } from './gateway-classes.ts'
import type { Problem } from './problem.ts'
import { acceptedProxyProtocol } from './proxy-protocol.ts'

export interface OwnGateway {
  readonly resource: Resource<Gateway>
  /** Canonical addresses to bind; empty: the Gateway cannot serve. */
  readonly bindAddresses: readonly string[]
  readonly addresses: readonly StatusAddress[]
  readonly accepted?: Problem<'Invalid' | 'InvalidParameters' | 'UnsupportedAddress'>
  readonly programmed?: Problem<'AddressNotAssigned'>
  /** What its listeners take from trusted peers before anything else. Absent: nothing. */
  readonly proxyProtocol?: NonNullable<BindPart['proxyProtocol']>
  /** What it shows of itself to backends behind TLS. */
  readonly identity?: ClientIdentity
}

/** Oldest first. Gateways of others are reported, so that nobody waits for them in vain. */
export function ownGateways(
  context: TranslateContext,
  classes: ReadonlyMap<string, OwnClass>,
): readonly OwnGateway[] {
  const own: OwnGateway[] = []
  const taken = new Set<string>()
  for (const resource of context.resources.gateways.toSorted(compareAge)) {
    const ownership = ownershipOf(context, classes, resource)
    if (ownership.kind === 'ignored') {
      reportIgnored(context, resource, ownership.reason)
      continue
    }
    const gateway = judgeGateway(context, resource, ownership.class, taken)
    for (const address of gateway.bindAddresses) taken.add(address)
    own.push(gateway)
  }
  if (own.length === 0) reportNothingToServe(context)
  return own
}

function judgeGateway(
  context: TranslateContext,
  resource: Resource<Gateway>,
  ownClass: OwnClass | undefined,
  taken: ReadonlySet<string>,
): OwnGateway {
  if (resource.object.spec.defaultScope === 'All') reportDefaultScope(context, resource)
  const proxied = acceptedProxyProtocol(context, resource)
  const accepted =
    classProblem(ownClass) ??
    parametersProblem(context, resource) ??
    addressTypeProblem(context, resource) ??
    (proxied.kind === 'problem' ? proxied.problem : undefined)
  const identity = resolveClientIdentity(context, resource)
  const mode = proxied.kind === 'mode' ? proxied.mode : undefined
  const refs = {
    ...(identity === undefined ? {} : { identity }),
    ...(mode === undefined ? {} : { proxyProtocol: mode }),
  }
  if (accepted !== undefined)
    return { resource, bindAddresses: [], addresses: [], accepted, ...refs }
  const assigned = assignAddresses(context, resource, taken)
  if (assigned !== undefined) {
    const addresses = assigned.map((value) => ({ type: 'IPAddress', value }))
    return { resource, bindAddresses: assigned, addresses, ...refs }
  }
  const message = `The address pool ${context.options.addressPool} has no free address; enlarge --address-pool or set spec.addresses.`
  context.diagnostics.report(resource, {
    severity: 'error',
    code: 'address',
    path: ['spec'],
    message,
  })
  const programmed = { reason: 'AddressNotAssigned', message } as const
  return { resource, bindAddresses: [], addresses: [], programmed, ...refs }
}

function classProblem(ownClass: OwnClass | undefined): Problem<'Invalid'> | undefined {
  if (ownClass?.problem === undefined) return undefined
  const name = displayKey(ownClass.resource.key)
  return { reason: 'Invalid', message: `${name} is not accepted: ${ownClass.problem.message}` }
}

function parametersProblem(
  context: TranslateContext,
  resource: Resource<Gateway>,
): Problem<'InvalidParameters'> | undefined {
  const ref = resource.object.spec.infrastructure?.parametersRef
  if (ref === undefined) return undefined
  const message = `spec.infrastructure.parametersRef names ${ref.kind} ${ref.name}, but gwproxy knows no kind of parameters; remove it.`
  const path = ['spec', 'infrastructure', 'parametersRef']
  context.diagnostics.report(resource, { severity: 'error', code: 'unsupported', path, message })
  return { reason: 'InvalidParameters', message }
}

/** Experimental (GEP-3793); without it a route attaches to fewer Gateways, never to more. */
function reportDefaultScope(context: TranslateContext, resource: Resource<Gateway>): void {
  context.diagnostics.report(resource, {
    severity: 'warning',
    code: 'unsupported',
    path: ['spec', 'defaultScope'],
    message: 'Default Gateways are not supported: routes attach by their spec.parentRefs only.',
  })
}

function reportIgnored(
  context: TranslateContext,
  resource: Resource<Gateway>,
  reason: string,
): void {
  context.diagnostics.report(resource, {
    severity: 'warning',
    code: 'nothing-to-serve',
    path: ['spec', 'gatewayClassName'],
    message: `This Gateway is ignored: ${reason}.`,
  })
}

function reportNothingToServe(context: TranslateContext): void {
  const [ignored] = context.resources.gateways.toSorted(compareAge)
  const subject = ignored ?? anyRoute(context)
  const message =
    ignored === undefined
      ? 'There is no Gateway, so nothing is served.'
      : 'No Gateway belongs to this controller, so nothing is served.'
  const help =
    ignored === undefined
      ? 'Add a manifest of kind Gateway.'
      : `Set spec.controllerName of its GatewayClass to ${context.options.controllerName}, or delete the GatewayClass manifest.`
  // Without any object there is no place to point at; config reports the empty directory.
  if (subject === undefined) return
  context.diagnostics.report(subject, {
    severity: 'error',
    code: 'nothing-to-serve',
    path: [],
    message,
    help,
  })
}

/** Something to point at in a directory of routes without a Gateway. */
function anyRoute({ resources }: TranslateContext): Resource<unknown> | undefined {
  const { httpRoutes, grpcRoutes, tlsRoutes, tcpRoutes, udpRoutes, gatewayClasses } = resources
  return [httpRoutes, grpcRoutes, tlsRoutes, tcpRoutes, udpRoutes, gatewayClasses].flat()[0]
}
