/**
 * The `gatewayapi_*` names of gateway-api-state-metrics, from the statuses that gwproxy shows: the
 * dashboards and alerts that were made for a Kubernetes with kube-state-metrics work without either.
 */
import type { LiveReport, ManifestObject } from './contract.ts'
import { Family, inTurns, type Labels } from './exposition.ts'
import { record, records, text } from './plain-data.ts'

type SetSeries = (value: number, labels: Labels) => void

interface StateFamily {
  readonly help: string
  readonly series: (object: ManifestObject, set: SetSeries, seenAt: number) => void
  /** Of which kinds. */
  readonly of: (kind: string) => boolean
}

const ROUTE_KINDS = ['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute'] as const

const isGateway = (kind: string): boolean => kind === 'Gateway'
const isClass = (kind: string): boolean => kind === 'GatewayClass'

const FAMILIES: Readonly<Record<string, StateFamily>> = {
  gateway_info: {
    help: 'The Gateways.',
    of: isGateway,
    series: (object, set) =>
      set(1, { ...named(object), gatewayclass_name: text(spec(object)['gatewayClassName']) }),
  },
  gateway_created: created(isGateway),
  gateway_listener_info: {
    help: 'The listeners of Gateways.',
    of: isGateway,
    series: (object, set) => {
      for (const listener of records(spec(object)['listeners'])) {
        const allowed = record(record(listener['allowedRoutes'])['namespaces'])
        set(1, {
          ...named(object),
          listener_name: text(listener['name']),
          port: text(listener['port']),
          protocol: text(listener['protocol']),
          hostname: text(listener['hostname']),
          tls_mode: text(record(listener['tls'])['mode']),
          allowed_routes_namespaces_from: text(allowed['from']),
        })
      }
    },
  },
  gateway_status: conditions(isGateway),
  gateway_status_listener_attached_routes: {
    help: 'Routes attached to a listener.',
    of: isGateway,
    series: (object, set) => {
      for (const listener of records(status(object)['listeners'])) {
        const attached = Number(listener['attachedRoutes'] ?? 0)
        set(attached, { ...named(object), listener_name: text(listener['name']) })
      }
    },
  },
  gateway_status_address_info: {
    help: 'Addresses of Gateways.',
    of: isGateway,
    series: (object, set) => {
      for (const { type, value } of records(status(object)['addresses'])) {
        set(1, { ...named(object), type: text(type), value: text(value) })
      }
    },
  },
  gatewayclass_info: {
    help: 'The GatewayClasses.',
    of: isClass,
    series: (object, set) =>
      set(1, {
        name: text(object.metadata['name']),
        controller_name: text(spec(object)['controllerName']),
      }),
  },
  gatewayclass_created: created(isClass),
  gatewayclass_status: conditions(isClass),
  gatewayclass_status_supported_features: {
    help: 'Features that a GatewayClass supports.',
    of: isClass,
    series: (object, set) => {
      for (const feature of records(status(object)['supportedFeatures'])) {
        set(1, { name: text(object.metadata['name']), features: text(feature['name']) })
      }
    },
  },
  ...Object.fromEntries(ROUTE_KINDS.flatMap(routeFamilies)),
}

/** Every `gatewayapi_*` family, from one report. */
export async function stateExposition({ objects }: LiveReport): Promise<string> {
  const families = Object.entries(FAMILIES).map(([name, { help, of, series }]) => ({
    of,
    series,
    family: new Family(`gatewayapi_${name}`, help),
  }))
  await inTurns(objects, (entry) => {
    const own = families.filter(({ of }) => of(entry.kind))
    // Its JSON is read for that.
    const object = own.length === 0 ? undefined : entry.object
    if (object === undefined) return
    for (const { family, series } of own) {
      const made: [Labels, number][] = []
      series(object, (value, labels) => made.push([labels, value]), entry.seenAt)
      family.addItem(made)
    }
  })
  return families.map(({ family }) => family.text).join('\n')
}

function routeFamilies(kind: (typeof ROUTE_KINDS)[number]): readonly [string, StateFamily][] {
  const prefix = kind.toLowerCase()
  const of = (other: string): boolean => other === kind
  const parentSeries =
    (parentsOf: (object: ManifestObject) => readonly Readonly<Record<string, unknown>>[]) =>
    (object: ManifestObject, set: SetSeries): void => {
      for (const parent of parentsOf(object))
        set(1, { ...named(object), ...parentLabels(parent, object) })
    }
  const families: [string, StateFamily][] = [
    [`${prefix}_created`, created(of)],
    [
      `${prefix}_parent_info`,
      {
        help: `Parents that a ${kind} asks for.`,
        of,
        series: parentSeries((object) => records(spec(object)['parentRefs'])),
      },
    ],
    [
      `${prefix}_status_parent_info`,
      {
        help: `Parents that a ${kind} has a status of.`,
        of,
        series: parentSeries((object) =>
          records(status(object)['parents']).map((parent) => record(parent['parentRef'])),
        ),
      },
    ],
  ]
  if (kind === 'TCPRoute' || kind === 'UDPRoute') return families
  const hostnames: StateFamily = {
    help: `Hostnames of a ${kind}.`,
    of,
    series: (object, set) => {
      const names = spec(object)['hostnames']
      for (const hostname of Array.isArray(names) ? names : []) {
        set(1, { ...named(object), hostname: text(hostname) })
      }
    },
  }
  return [...families, [`${prefix}_hostname_info`, hostnames]]
}

function created(of: (kind: string) => boolean): StateFamily {
  return {
    help: 'When the object was created or first seen, seconds since the epoch.',
    of,
    series: (object, set, seenAt) => set(seenAt / 1000, named(object)),
  }
}

function conditions(of: (kind: string) => boolean): StateFamily {
  return {
    help: 'Conditions: 1 when True, else 0.',
    of,
    series: (object, set) => {
      for (const condition of records(status(object)['conditions'])) {
        const isTrue = condition['status'] === 'True'
        set(isTrue ? 1 : 0, { ...named(object), type: text(condition['type']) })
      }
    },
  }
}

function parentLabels(parent: Readonly<Record<string, unknown>>, object: ManifestObject): Labels {
  return {
    parent_group: text(parent['group'] ?? 'gateway.networking.k8s.io'),
    parent_kind: text(parent['kind'] ?? 'Gateway'),
    parent_namespace: text(parent['namespace'] ?? object.metadata['namespace']),
    parent_name: text(parent['name']),
  }
}

function named({ metadata }: ManifestObject): Labels {
  return { namespace: text(metadata['namespace']), name: text(metadata['name']) }
}

function spec(object: ManifestObject): Readonly<Record<string, unknown>> {
  return record(object['spec'])
}

function status(object: ManifestObject): Readonly<Record<string, unknown>> {
  return record(object['status'])
}
