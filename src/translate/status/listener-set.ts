/**
 * ListenerSets of our Gateways are admitted but not served yet: each says so, and its listeners
 * with it (digest section 8).
 */
import type { ListenerSet } from '../../api/listener-set.ts'
import type { Resource } from '../../api/resource.ts'
import type { ObjectStatus } from '../../model/status.ts'
import type { ListenersByGateway } from '../attachment.ts'
import type { TranslateContext } from '../context.ts'
import { GATEWAY_GROUP } from '../protocols.ts'
import { conditionFrom } from './conditions.ts'

const MESSAGE = 'ListenerSet is not supported yet; put the listeners into the Gateway.'

export function listenerSetStatuses(
  context: TranslateContext,
  gateways: ListenersByGateway,
): readonly ObjectStatus[] {
  return context.resources.listenerSets
    .filter((set) => belongsTo(gateways, set))
    .map((set) => {
      context.diagnostics.report(set, {
        severity: 'error',
        code: 'unsupported',
        path: ['kind'],
        message: MESSAGE,
      })
      return statusOf(set)
    })
}

function belongsTo(gateways: ListenersByGateway, { key, object }: Resource<ListenerSet>): boolean {
  const { group, kind, namespace = key.namespace, name } = object.spec.parentRef
  return group === GATEWAY_GROUP && kind === 'Gateway' && gateways.has(`${namespace}/${name}`)
}

function statusOf({ key, generation, origin, object }: Resource<ListenerSet>): ObjectStatus {
  const refuse = (type: string, reason: string) => {
    const problem = { reason, message: MESSAGE }
    return conditionFrom(type, problem, problem, generation)
  }
  return {
    key,
    generation,
    origin,
    body: {
      kind: 'listener-set',
      conditions: [refuse('Accepted', 'Invalid'), refuse('Programmed', 'Invalid')],
      listeners: object.spec.listeners.map(({ name }) => ({
        name,
        supportedKinds: [],
        attachedRoutes: 0,
        conditions: [refuse('Accepted', 'UnsupportedValue'), refuse('Programmed', 'Invalid')],
      })),
    },
  }
}
