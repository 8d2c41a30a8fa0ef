/**
 * A runtime shares what it can with the one before. Whatever the order of edits and refusals: it
 * chooses as one that was made alone, holds each backend once, and lets go of all in the end.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { Digest } from '../../../src/base/brand.ts'
import { PartStore } from '../../../src/data/part-store.ts'
import { Runtime, type RuntimeContext } from '../../../src/data/runtime.ts'
import { bindKey, type ListenerKey } from '../../../src/model/identity.ts'
import type { BindPart, Chain, Manifest } from '../../../src/model/snapshot.ts'

const NAMES = ['a.test', 'b.test', 'c.test']

/** `list`: which of three lists of chains each of two binds has; `bad`: a chain that is refused. */
interface Step {
  readonly lists: readonly number[]
  readonly bad: boolean
}

const step: fc.Arbitrary<Step> = fc.record({
  lists: fc.array(fc.nat({ max: 2 }), { minLength: 0, maxLength: 2 }),
  bad: fc.boolean(),
})

function chain(hostname: string, id: string): Chain {
  return {
    hostname,
    listener: `Gateway/default/g/${hostname}` as ListenerKey,
    action: {
      kind: 'tls-passthrough',
      route: { kind: 'TLSRoute', namespace: 'default', name: id },
      id,
      backends: [],
    },
  }
}

const LISTS: readonly (readonly Chain[])[] = [0, 1, 2].map((list) =>
  NAMES.slice(0, list + 1).map((name) => chain(name, `${list} ${name}`)),
)
const BAD: Chain = chain('bad.test', 'bad')

function bindOf(index: number, chains: readonly Chain[]): BindPart {
  return {
    kind: 'bind',
    key: bindKey('tcp', '127.0.0.1', 443 + index),
    transport: 'tcp',
    address: '127.0.0.1',
    port: 443 + index,
    ingress: 'tls',
    tables: [{ localAddresses: ['*'], chains, listeners: [] }],
  }
}

it('shares with the one before what is the same, and lets go of it once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
      const held = new Map<string, number>()
      const store = new PartStore()
      let before: Runtime | undefined
      let last: readonly (readonly Chain[])[] = []
      let acquired = 0
      const context = (): RuntimeContext => ({
        store,
        before,
        registry: {
          acquire: (id) => {
            if (id === 'bad') throw new Error('refused')
            acquired += 1
            held.set(id, (held.get(id) ?? 0) + 1)
            let isHeld = true
            return {
              choices: [],
              choose: () => ({ kind: 'none' }),
              release: () => {
                assert.ok(isHeld, `${id} is released once`)
                isHeld = false
                held.set(id, (held.get(id) ?? 0) - 1)
              },
            }
          },
        },
        tlsDomains: unused,
        httpHub: unused,
        slots: new Map(
          [...(before?.binds.values() ?? [])].flatMap((bind) => [...bind.settleSlots(new Map())]),
        ),
        ownsUdp: () => false,
      })
      for (const [generation, { lists, bad }] of steps.entries()) {
        const sources = lists.map((list) => LISTS[list] ?? [])
        const binds = sources.map((chains, index) => bindOf(index, bad ? [...chains, BAD] : chains))
        const digests = binds.map((_, index) => `${generation} ${index}` as Digest)
        store.add(
          binds.map((part, index) => [digests[index] ?? ('' as Digest), part] as const),
          [],
        )
        const manifest: Manifest = {
          generation,
          digest: digests.join() as Digest,
          binds: digests,
          parts: new Set(digests),
        }
        acquired = 0
        const compiled = await Runtime.compile(manifest, context()).catch(() => undefined)
        assert.equal(compiled === undefined, bad && binds.length > 0)
        if (compiled === undefined) continue
        for (const [index, bind] of binds.entries()) {
          const live = compiled.binds.get(bind.key)
          for (const name of NAMES) {
            const expected = sources[index]?.find(({ hostname }) => hostname === name)
            const choice = live?.table.choose('127.0.0.1', name)
            assert.equal(choice?.kind === 'found' ? choice.value.chain : undefined, expected)
          }
        }
        const fresh = sources.filter((chains, index) => last[index] !== chains)
        const wanted = fresh.flat().length
        assert.equal(acquired, wanted, 'what is the same is not acquired again')
        await before?.release()
        before = compiled
        last = sources
        const now = [...held.values()].reduce((sum, count) => sum + count, 0)
        assert.equal(now, sources.flat().length)
      }
      await before?.release()
      assert.deepEqual(
        [...held.values()].filter((count) => count !== 0),
        [],
      )
    }),
  )
})

/** What no chain here asks for. */
const unused = {
  open: () => Promise.reject(new Error('unused')),
  acquire: () => assert.fail('unused'),
  setTicketRoots: () => undefined,
  compile: () => Promise.reject(new Error('unused')),
  accept: () => undefined,
  drain: () => undefined,
  activeExchanges: 0,
}
