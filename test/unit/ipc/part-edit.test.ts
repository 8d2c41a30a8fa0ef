/** Parts that travel as edits are on the other side what they were on this one, whatever the edits. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Digest } from '../../../src/base/brand.ts'
import { digestOf } from '../../../src/base/digest.ts'
import { EditedParts, PartReader, readPart, type SentPart } from '../../../src/ipc/part-edit.ts'
import type { HostRef, RouteTablePart } from '../../../src/model/http.ts'
import { bindKey, type ListenerKey } from '../../../src/model/identity.ts'
import type { BindPart, Chain, HttpListener, KeptPart, Part } from '../../../src/model/snapshot.ts'

const NAMES = Array.from({ length: 100 }, (_, index) => `host-${index}.test`)
const listenerOf = (name: string): ListenerKey => `Gateway/default/g/${name}` as ListenerKey

interface State {
  /** Names that are left out. */
  readonly without: readonly number[]
  /** Names that lead elsewhere. */
  readonly changed: readonly number[]
  readonly hasGrpc: boolean
  /** Of the bind; 0: there is no bind. */
  readonly tables: number
  readonly sameChains: boolean
}

const state: fc.Arbitrary<State> = fc.record({
  without: fc.array(fc.nat({ max: 99 }), { maxLength: 60 }),
  changed: fc.array(fc.nat({ max: 99 }), { maxLength: 3 }),
  hasGrpc: fc.boolean(),
  tables: fc.nat({ max: 2 }),
  sameChains: fc.boolean(),
})

const CHAINS: readonly Chain[] = NAMES.map(chainOf)

function chainOf(hostname: string): Chain {
  return {
    hostname,
    listener: listenerOf(hostname),
    action: { kind: 'reset', reason: 'no-route' },
  }
}

function partsOf(made: State): ReadonlyMap<Digest, Part> {
  const { without, changed, hasGrpc, tables, sameChains } = made
  const names = NAMES.filter((_, index) => !without.includes(index))
  const routes = (name: string): Digest =>
    (changed.includes(NAMES.indexOf(name)) ? `other-${name}` : name) as Digest
  const hosts: readonly HostRef[] = names.map((name) => ({ hostname: name, routes: routes(name) }))
  const listeners: readonly HttpListener[] = names.map((name) => ({
    hostname: name,
    listener: listenerOf(name),
    routes: routes(name),
  }))
  const table: RouteTablePart = {
    kind: 'route-table',
    listener: listenerOf('all'),
    port: 80,
    hosts,
    ...(hasGrpc && { grpc: hosts }),
  }
  const bind: BindPart = {
    kind: 'bind',
    key: bindKey('tcp', '::', 443),
    transport: 'tcp',
    address: '::',
    port: 443,
    ingress: 'tls',
    tables: Array.from({ length: tables }, (_, index) => ({
      localAddresses: [String(index)],
      chains: sameChains ? CHAINS : names.map(chainOf),
      listeners,
    })),
  }
  const parts: readonly Part[] = tables === 0 ? [table] : [table, bind]
  return new Map(parts.map((part) => [digestOf(part), part]))
}

describe('parts as edits', () => {
  it('are the same on the other side', () => {
    fc.assert(
      fc.property(fc.array(state, { maxLength: 8 }), (states) => {
        const sender = new EditedParts()
        const reader = new PartReader()
        let before: ReadonlyMap<Digest, Part> = new Map()
        for (const parts of states.map(partsOf)) {
          const come = [...parts].filter(([digest]) => !before.has(digest))
          const gone = [...before].filter(([digest]) => !parts.has(digest))
          const sent = structuredClone(sender.next(come, gone))
          const digests = gone.map(([digest]) => digest)
          assert.deepEqual(reader.next(sent, digests), come)
          before = parts
        }
      }),
    )
  })

  it('hold what changed alone, and what stays is the same object', () => {
    const sender = new EditedParts()
    const reader = new PartReader()
    const plain: State = { without: [], changed: [], hasGrpc: false, tables: 1, sameChains: true }
    const first = partsOf(plain)
    const received = reader.next(structuredClone(sender.next([...first], [])))
    const second = partsOf({ ...plain, changed: [50] })
    const sent = sender.next([...second], [...first])
    assert.ok(JSON.stringify(sent).length < 1500, JSON.stringify(sent))
    const now = reader.next(structuredClone(sent), [...first.keys()])
    const bindOf = (list: readonly (readonly [Digest, KeptPart])[]): BindPart => {
      const part = list.find(([, { kind }]) => kind === 'bind')?.[1]
      assert.ok(part?.kind === 'bind')
      return part
    }
    const [old, edited] = [bindOf(received).tables[0], bindOf(now).tables[0]]
    assert.equal(edited?.chains, old?.chains)
    assert.equal(edited?.listeners[49], old?.listeners[49])
    assert.notEqual(edited?.listeners[50], old?.listeners[50])
  })

  it('of what was never sent are a defect', () => {
    const edit: SentPart = {
      kind: 'route-table-edit',
      from: 'x' as Digest,
      table: { kind: 'route-table', listener: listenerOf('all'), port: 80 },
      hosts: { start: 0, removed: 1, inserted: [] },
    }
    assert.throws(() => readPart(edit, () => undefined), { code: 'GWP_DEFECT_INVARIANT' })
    const short: Part = { kind: 'route-table', listener: listenerOf('all'), port: 80, hosts: [] }
    assert.throws(() => readPart(edit, () => short), { code: 'GWP_DEFECT_INVARIANT' })
  })
})
