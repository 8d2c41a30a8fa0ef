/**
 * A view takes over what it can from the one before. Whatever the order of edits and refusals: it
 * answers as one that was made alone, holds each host once, and lets go of all in the end.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { Digest } from '../../../src/base/brand.ts'
import { LiveHosts } from '../../../src/data/http/live-hosts.ts'
import { CompiledView, type SharedRoutes } from '../../../src/data/http/view.ts'
import { Slice } from '../../../src/data/slice.ts'
import { packPart } from '../../../src/ipc/packed-part.ts'
import type { HostRef, HttpRule } from '../../../src/model/http.ts'
import type { ListenerKey } from '../../../src/model/identity.ts'
import type { ChainTable, HttpListener, Part } from '../../../src/model/snapshot.ts'
import { Parts } from '../../support/route-tables.ts'
import { Upstreams } from '../../support/upstreams.ts'

const PATTERNS = ['', '*.test', '*.a.test', 'a.test', 'b.test', 'x.a.test']
const NAMES = ['a.test', 'b.test', 'x.a.test', 'y.a.test', 'c.test', 'none', undefined]
const SESSIONS = { clock: { now: () => 0, monotonic: () => 0 }, secret: '' }

/** A listener of a hostname, and hosts in its table: of which hostname, and which rule. */
interface Listener {
  readonly pattern: number
  readonly key: number
  readonly hosts: readonly (readonly [pattern: number, rule: number])[]
  readonly grpc: readonly (readonly [pattern: number, rule: number])[] | undefined
}

interface Step {
  readonly listeners: readonly Listener[]
  /** Its last route table names a host that was never sent. */
  readonly bad: boolean
}

const host = fc.tuple(fc.nat(PATTERNS.length - 1), fc.nat(3))
const hosts = fc.array(host, { maxLength: 5 })
const listener: fc.Arbitrary<Listener> = fc.record({
  pattern: fc.nat(PATTERNS.length - 1),
  key: fc.nat(2),
  hosts,
  grpc: fc.option(hosts, { nil: undefined }),
})
const step: fc.Arbitrary<Step> = fc.record({
  listeners: fc.array(listener, { maxLength: 4 }),
  bad: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
})
/** Most steps repeat the one before with one listener changed, as edits do. */
const steps = fc.array(fc.tuple(step, fc.nat(3), fc.boolean()), { maxLength: 8 }).map((list) => {
  const made: Step[] = []
  for (const [{ listeners, bad }, at, isEdit] of list) {
    const before = made.at(-1)?.listeners ?? []
    const [one] = listeners
    const edits = isEdit && one !== undefined && before.length > 0
    made.push({ listeners: edits ? before.with(at % before.length, one) : listeners, bad })
  }
  return made
})

class World {
  readonly upstreams = new Upstreams()
  readonly shared: SharedRoutes = {
    hosts: new LiveHosts(this.upstreams.registry, SESSIONS),
    tables: new Map(),
  }
  readonly #parts = new Parts()

  part(digest: Digest): ReturnType<typeof packPart> {
    return packPart(this.#parts.get(digest) ?? this.upstreams.part(digest))
  }

  table({ listeners, bad }: Step): ChainTable {
    const made = listeners.map(({ pattern, key, hosts: http, grpc }, at): HttpListener => {
      const name = `Gateway/default/g/${key}` as ListenerKey
      const missing: HostRef[] =
        bad && at === listeners.length - 1 ? [{ hostname: '', routes: 'missing' as Digest }] : []
      const part: Part = {
        kind: 'route-table',
        listener: name,
        port: 80,
        hosts: [...http.map((one) => this.#host(one, 'http-host')), ...missing],
        ...(grpc && { grpc: grpc.map((one) => this.#host(one, 'grpc-host')) }),
      }
      return {
        hostname: PATTERNS[pattern] ?? '',
        listener: name,
        // Some listeners are not HTTP.
        ...((http.length > 0 || bad) && { routes: this.#parts.add(part) }),
      }
    })
    return { localAddresses: ['*'], chains: [], listeners: made }
  }

  #host([pattern, number]: readonly [number, number], kind: 'http-host' | 'grpc-host'): HostRef {
    const backend = this.upstreams.backend(`u${number}`, [`10.0.0.${number}`])
    const rule: HttpRule = {
      id: `${kind} ${number}`,
      route: { kind: 'HTTPRoute', namespace: 'default', name: 'r' },
      filters: [],
      action: { kind: 'forward', backends: [backend] },
      timeouts: {},
    }
    const path = { kind: 'prefix', value: `/${number}` } as const
    const part: Part =
      kind === 'http-host'
        ? { kind, rules: [rule], matches: [{ path, headers: [], query: [], rule: 0 }] }
        : { kind, rules: [rule], matches: [{ headers: [], rule: 0 }] }
    return { hostname: PATTERNS[pattern] ?? '', routes: this.#parts.add(part) }
  }
}

/** What each name leads to, for each path and kind of request. */
function answersOf({ listeners }: CompiledView): unknown {
  return NAMES.map((name) => {
    const found = listeners.lookup(name)
    const rules = ['/0', '/1', '/2', '/3'].map((path) => {
      const request = { host: name, method: 'GET', path, query: '', header: () => undefined }
      const { hosts: http, grpc } = found?.routes ?? {}
      return [http, grpc].map((groups) =>
        groups?.first(name, request, (live, asked) => live.find(asked)?.rule.id),
      )
    })
    return [found?.key, rules]
  })
}

it('answers as one that was made alone, and lets go of everything once', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const world = new World()
      const { shared, upstreams } = world
      const part = (digest: Digest): ReturnType<typeof packPart> => world.part(digest)
      let before: CompiledView | undefined
      for (const one of list) {
        // A worker of its own gets copies.
        const table = structuredClone(world.table(one))
        const now = await CompiledView.compile(table, part, shared, new Slice(), before).catch(
          () => undefined,
        )
        assert.equal(now === undefined, one.bad && one.listeners.length > 0)
        if (now === undefined) continue
        await before?.release(new Slice())
        before = now
        const alone = new World()
        const other = await CompiledView.compile(
          alone.table(one),
          (digest) => alone.part(digest),
          alone.shared,
          new Slice(),
        )
        assert.deepEqual(answersOf(now), answersOf(other))
        assert.equal(shared.tables.size, alone.shared.tables.size)
        assert.deepEqual(heldBy(upstreams), heldBy(alone.upstreams))
      }
      await before?.release(new Slice())
      assert.equal(shared.tables.size, 0)
      assert.deepEqual(heldBy(upstreams), [])
    }),
    { numRuns: 300 },
  )
})

function heldBy({ registry }: Upstreams): readonly string[] {
  return registry
    .health()
    .map(({ endpoint }) => endpoint)
    .sort()
}
