/**
 * Whose Gateways are ours (DESIGN.md decision 7). A Gateway is ours unless a GatewayClass manifest
 * of its class names another controller, or `--gateway-class` excludes it: on a plain machine
 * nobody has to write a GatewayClass.
 */
import type { Gateway } from '../api/gateway.ts'
import type { GatewayClass } from '../api/gateway-class.ts'
import type { Resource } from '../api/resource.ts'
import type { TranslateContext } from './context.ts'
import type { Problem } from './problem.ts'
import { GATEWAY_GROUP } from './protocols.ts'

export interface OwnClass {
  readonly resource: Resource<GatewayClass>
  readonly problem?: Problem<'InvalidParameters'>
}

export type Ownership =
  | { readonly kind: 'ours'; readonly class?: OwnClass }
  | { readonly kind: 'ignored'; readonly reason: string }

/** Every GatewayClass with our controller name, whether a Gateway uses it or not. */
export function ownGatewayClasses(context: TranslateContext): ReadonlyMap<string, OwnClass> {
  const own = context.resources.gatewayClasses
    .filter(({ key }) => isSelected(context, key.name))
    .filter(({ object }) => object.spec.controllerName === context.options.controllerName)
  return new Map(own.map((resource) => [resource.key.name, judgeClass(context, resource)]))
}

export function ownershipOf(
  context: TranslateContext,
  classes: ReadonlyMap<string, OwnClass>,
  gateway: Resource<Gateway>,
): Ownership {
  const name = gateway.object.spec.gatewayClassName
  if (!isSelected(context, name)) {
    return { kind: 'ignored', reason: `--gateway-class excludes its class ${name}` }
  }
  const own = classes.get(name)
  if (own !== undefined) return { kind: 'ours', class: own }
  const foreign = context.resources.find({
    group: GATEWAY_GROUP,
    kind: 'GatewayClass',
    namespace: '',
    name,
  })
  if (foreign === undefined) return { kind: 'ours' }
  const { controllerName } = foreign.object.spec
  const reason = `its GatewayClass ${name} belongs to controller ${controllerName}, and this is ${context.options.controllerName}`
  return { kind: 'ignored', reason }
}

function isSelected({ options }: TranslateContext, className: string): boolean {
  return options.gatewayClasses.length === 0 || options.gatewayClasses.includes(className)
}

function judgeClass(context: TranslateContext, resource: Resource<GatewayClass>): OwnClass {
  const { parametersRef } = resource.object.spec
  if (parametersRef === undefined) return { resource }
  const message = `spec.parametersRef names ${parametersRef.kind} ${parametersRef.name}, but gwproxy takes no parameters from a GatewayClass; remove it.`
  context.diagnostics.report(resource, {
    severity: 'error',
    code: 'unsupported',
    path: ['spec', 'parametersRef'],
    message,
  })
  return { resource, problem: { reason: 'InvalidParameters', message } }
}
