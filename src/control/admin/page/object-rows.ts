/** Gateways, listeners and routes as rows, from the objects with their statuses. */
import { formatOrigin } from '../../../model/diagnostic.ts'
import { isGood, isGoodWhenTrue } from '../../../model/status.ts'
import type { LiveReport, ManifestObject, StatusEntry } from '../contract.ts'
import { type PlainRecord, record, records, text, texts } from '../plain-data.ts'
import type { GatewayRow, ListenerRow, PageState, RouteRow } from './contract.ts'

/** A row less its traffic, with the labels under which that is counted. */
export type Untallied<Row> = Omit<Row, 'traffic'> & { readonly labels: readonly string[] }

export interface ObjectRows {
  readonly gateways: readonly GatewayRow[]
  readonly listeners: readonly Untallied<ListenerRow>[]
  readonly routes: readonly Untallied<RouteRow>[]
}

/** What needs a look first, then by name, so that rows stay where they are. */
export function objectRows({ objects }: LiveReport): ObjectRows {
  const owners = objects.filter(({ kind }) => isOwner(kind))
  return {
    gateways: sorted(owners.map(gatewayRow), ({ name }) => name),
    listeners: sorted(owners.flatMap(listenerRows), ({ owner, name }) => `${owner}/${name}`),
    routes: sorted(
      objects.filter(({ kind }) => /^[A-Z]+Route$/.test(kind)).map(routeRow),
      ({ name }) => name,
    ),
  }
}

function isOwner(kind: string): boolean {
  return kind === 'Gateway' || kind === 'ListenerSet'
}

function gatewayRow({ object, origin, stale }: StatusEntry): GatewayRow {
  const { spec, status } = partsOf(object)
  return {
    name: displayName(object),
    className: text(spec['gatewayClassName']),
    addresses: records(status['addresses']).map(({ value }) => text(value)),
    state: stateOf([status], stale),
    from: formatOrigin(origin),
  }
}

function listenerRows({ object }: StatusEntry): readonly Untallied<ListenerRow>[] {
  const { spec, status } = partsOf(object)
  const statuses = new Map(records(status['listeners']).map((one) => [text(one['name']), one]))
  const path = pathOf(object)
  const gateway = object.kind === 'Gateway' ? path : `${object.kind}/${path}`
  return records(spec['listeners']).map((listener) => {
    const name = text(listener['name'])
    const own = statuses.get(name) ?? {}
    const mode = text(record(listener['tls'])['mode'])
    return {
      owner: displayName(object),
      name,
      protocol: [text(listener['protocol']), mode].filter((word) => word !== '').join(' '),
      port: text(listener['port'] ?? own['port']),
      hostname: text(listener['hostname']),
      routes: Number(own['attachedRoutes'] ?? 0),
      state: stateOf([own]),
      labels: [gateway, name],
    }
  })
}

function routeRow({ object, origin, stale }: StatusEntry): Untallied<RouteRow> {
  const { spec, status } = partsOf(object)
  return {
    name: displayName(object),
    hostnames: texts(spec['hostnames']),
    parents: records(spec['parentRefs']).map((parent) =>
      [text(parent['name']), text(parent['sectionName'])].filter((part) => part !== '').join('/'),
    ),
    state: stateOf(records(status['parents']), stale),
    from: formatOrigin(origin),
    labels: [`${object.kind}/${pathOf(object)}`],
  }
}

/** Of all holders of conditions together. None at all: nothing took the object on. */
function stateOf(holders: readonly PlainRecord[], stale = false): PageState {
  const conditions = holders.flatMap((holder) => records(holder['conditions']))
  if (conditions.length === 0) return { level: 'error', text: 'no gateway of ours takes it' }
  const wrong = conditions.map(conditionOf).filter((condition) => !isGood(condition))
  const words = [
    ...(stale ? ['the last good version serves: the file is broken now'] : []),
    ...new Set(
      wrong.map(
        ({ type, status, reason, message }) =>
          `${type}=${status} (${reason})${message === '' ? '' : `: ${message}`}`,
      ),
    ),
  ]
  if (words.length === 0) return { level: 'ok', text: 'OK' }
  const isError = wrong.some(({ type, status }) => isGoodWhenTrue(type) && status === 'False')
  return { level: isError ? 'error' : 'warning', text: words.join(' ') }
}

function conditionOf(condition: PlainRecord) {
  return {
    type: text(condition['type']),
    status: text(condition['status']),
    reason: text(condition['reason']),
    message: text(condition['message']),
  }
}

function partsOf(object: ManifestObject): {
  readonly spec: PlainRecord
  readonly status: PlainRecord
} {
  return { spec: record(object['spec']), status: record(object['status']) }
}

function displayName(object: ManifestObject): string {
  return `${object.kind} ${pathOf(object)}`
}

function pathOf({ metadata }: ManifestObject): string {
  return [text(metadata['namespace']), text(metadata['name'])]
    .filter((part) => part !== '')
    .join('/')
}

const ORDER = { error: 0, warning: 1, ok: 2 } as const

function sorted<Row extends { readonly state: PageState }>(
  rows: readonly Row[],
  nameOf: (row: Row) => string,
): readonly Row[] {
  return rows
    .map((row) => ({ row, key: `${ORDER[row.state.level]}${nameOf(row)}` }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ row }) => row)
}
