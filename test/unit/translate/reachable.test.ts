/** Parts that are counted from pass to pass are those that a walk from the binds finds. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Digest } from '../../../src/base/brand.ts'
import type { HttpRule } from '../../../src/model/http.ts'
import { bindKey, type ListenerKey } from '../../../src/model/identity.ts'
import type { BindPart, Part } from '../../../src/model/snapshot.ts'
import type { WeightedUpstream } from '../../../src/model/upstream.ts'
import { digestOfPart } from '../../../src/translate/part-digest.ts'
import { ReachableParts } from '../../../src/translate/reachable.ts'

/** Two binds, each with listeners, whose tables have hosts, whose rules lead to upstreams. */
const upstream = fc.nat({ max: 3 })
const host = fc.array(upstream, { maxLength: 3 })
const table = fc.array(host, { maxLength: 4 })
const bind = fc.record({
  tables: fc.array(table, { maxLength: 3 }),
  forwards: fc.array(upstream, { maxLength: 2 }),
})
const state = fc.array(bind, { maxLength: 2 })

type Bind = typeof bind extends fc.Arbitrary<infer T> ? T : never

interface World {
  readonly binds: readonly Digest[]
  readonly parts: ReadonlyMap<Digest, Part>
}

function worldOf(binds: readonly Bind[]): World {
  const parts = new Map<Digest, Part>()
  const add = (part: Part): Digest => {
    const digest = digestOfPart(part)
    parts.set(digest, part)
    return digest
  }
  const upstreamOf = (number: number): Digest =>
    add({ kind: 'upstream', name: `u${number}`, protocol: 'tcp', endpoints: [] })
  const backendsTo = (number: number): readonly WeightedUpstream[] => [
    { weight: 1, filters: [], target: { kind: 'upstream', upstream: upstreamOf(number) } },
  ]
  const ruleTo = (number: number): HttpRule => ({
    id: `r${number}`,
    route: { kind: 'HTTPRoute', namespace: 'n', name: 'r' },
    timeouts: {},
    filters: [],
    action: { kind: 'forward', backends: backendsTo(number) },
  })
  const bindOf = ({ tables, forwards }: Bind, index: number): BindPart => ({
    kind: 'bind',
    key: bindKey('tcp', '::', index),
    transport: 'tcp',
    address: '::',
    port: index,
    ingress: 'tls',
    tables: [
      {
        localAddresses: ['*'],
        chains: forwards.map((number) => ({
          hostname: `f${number}`,
          listener: 'l' as ListenerKey,
          action: {
            kind: 'tls-passthrough',
            id: 'x',
            route: { kind: 'TLSRoute', namespace: 'n', name: 'r' },
            backends: backendsTo(number),
          },
        })),
        listeners: tables.map((hosts, place) => ({
          hostname: `l${place}`,
          listener: `${index}/${place}` as ListenerKey,
          routes: add({
            kind: 'route-table',
            listener: `${index}/${place}` as ListenerKey,
            port: index,
            hosts: hosts.map((upstreams, at) => ({
              hostname: `h${at}`,
              routes: add({ kind: 'http-host', rules: upstreams.map(ruleTo), matches: [] }),
            })),
          }),
        })),
      },
    ],
  })
  return { binds: binds.map((one, index) => add(bindOf(one, index))), parts }
}

describe('reachable parts', () => {
  it('are those that the binds lead to, and change as they say', () => {
    fc.assert(
      fc.property(fc.array(state, { maxLength: 6 }), (states) => {
        const reachable = new ReachableParts()
        const followed = new Map<Digest, Part>()
        for (const { binds, parts } of states.map(worldOf)) {
          const { come, gone } = reachable.next(binds, (digest) => parts.get(digest))
          for (const [digest] of gone) assert.ok(followed.delete(digest))
          for (const [digest, part] of come) {
            assert.ok(!followed.has(digest))
            followed.set(digest, part)
          }
          // Nothing was made here that nothing leads to.
          assert.deepEqual(new Set(reachable.all.keys()), new Set(parts.keys()))
          assert.deepEqual(followed, reachable.all)
        }
      }),
    )
  })

  it('that nobody knows are a defect', () => {
    const { binds, parts } = worldOf([{ tables: [[[1]]], forwards: [] }])
    const without = (kind: Part['kind']) => (digest: Digest) => {
      const part = parts.get(digest)
      return part?.kind === kind ? undefined : part
    }
    for (const kind of ['bind', 'route-table', 'http-host', 'upstream'] as const) {
      const act = () => new ReachableParts().next(binds, without(kind))
      assert.throws(act, { code: 'GWP_DEFECT_INVARIANT' })
    }
  })
})
