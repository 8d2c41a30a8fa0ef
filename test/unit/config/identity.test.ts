import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { admitDocument } from '../../../src/config/admit.ts'
import { splitDocuments } from '../../../src/config/documents.ts'
import {
  type Given,
  type IdentityState,
  type Settled,
  settle,
} from '../../../src/config/identity.ts'
import { memoryOf, restoreMemory } from '../../../src/config/memory.ts'
import { resourceOf } from '../../../src/config/resources.ts'
import { formatOrigin } from '../../../src/model/diagnostic.ts'

const BROKEN = 'a: [\n'

function namespace(name: string, extra = ''): string {
  return `apiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}${extra}}\n`
}

function service(port: number, extra = ''): string {
  return `apiVersion: v1\nkind: Service\nmetadata: {name: s${extra}}\nspec: {ports: [{port: ${port}}]}\n`
}

function given(files: Readonly<Record<string, string>>, unreadable: readonly string[] = []): Given {
  return {
    unreadable,
    files: Object.entries(files).map(([path, text]) => ({
      path,
      documents: splitDocuments(text).map((document) => ({
        document,
        admitted: admitDocument(document, 'reject'),
      })),
    })),
  }
}

/** Passes one after the other, each a second later. */
function run(...passes: readonly Given[]) {
  let state: IdentityState = new Map()
  let diagnostics: readonly { readonly message: string }[] = []
  let now = 0
  for (const pass of passes) {
    now += 1000
    const settled = settle(state, pass, { now })
    state = settled.held
    diagnostics = settled.diagnostics
  }
  return { state, messages: diagnostics.map(({ message }) => message) }
}

/** `name@path` of each held object, with `*` when stale. */
function summary(state: IdentityState): string[] {
  return [...state.values()]
    .map(({ admitted, path, stale }) => `${admitted.key.name}@${path}${stale ? '*' : ''}`)
    .sort()
}

describe('last good', () => {
  it('keeps a refused object, and takes a removed one away', () => {
    const good = given({ 'x.yaml': `${namespace('a')}---\n${namespace('b')}` })
    const bad = given({ 'x.yaml': `${namespace('a', ', labels: 5')}` })
    assert.deepEqual(summary(run(good, bad).state), ['a@x.yaml*'])
  })

  it('keeps what a file last gave while a document of it does not parse', () => {
    const good = given({ 'x.yaml': `${namespace('a')}---\n${namespace('b')}`, y: namespace('c') })
    const broken = given({ 'x.yaml': `${BROKEN}---\n${namespace('b')}---\n${namespace('d')}` })
    assert.deepEqual(summary(run(good, broken).state), ['a@x.yaml*', 'b@x.yaml', 'd@x.yaml'])
  })

  it('keeps all below an unreadable path, over any number of passes', () => {
    const good = given({
      'r/x.yaml': namespace('a'),
      'r/d/y.yaml': namespace('b'),
      q: namespace('c'),
    })
    const gone = given({}, ['r'])
    assert.deepEqual(summary(run(good, gone, gone).state), ['a@r/x.yaml*', 'b@r/d/y.yaml*'])
    assert.deepEqual(summary(run(good, gone, good).state), ['a@r/x.yaml', 'b@r/d/y.yaml', 'c@q'])
  })

  it('keeps an object whose kind was mistyped', () => {
    const good = given({ x: namespace('a') })
    const typo = given({ x: namespace('a').replace('Namespace', 'Namspace') })
    assert.deepEqual(summary(run(good, typo).state), ['a@x*'])
  })

  it('has nothing to keep at a cold start', () => {
    assert.deepEqual(summary(run(given({ x: BROKEN })).state), [])
  })
})

describe('duplicates', () => {
  const both = given({ 'a.yaml': service(1), 'b.yaml': `# b\n${service(2)}` })

  it('are decided by byte order at a cold start, and both places are named', () => {
    const { state, messages } = run(both)
    assert.deepEqual(summary(state), ['s@a.yaml'])
    assert.deepEqual(messages, [
      'Service default/s is already defined at a.yaml:1:1, which is served',
    ])
  })

  it('never take over from the served copy', () => {
    const { state, messages } = run(given({ 'b.yaml': service(2) }), both)
    assert.deepEqual(summary(state), ['s@b.yaml'])
    assert.deepEqual(messages, [
      'Service default/s is already defined at b.yaml:2:1, which is served',
    ])
  })

  it('do not take over while the served copy is refused or unreadable, but when it is gone', () => {
    const first = given({ 'b.yaml': service(2) })
    const refused = given({ 'a.yaml': service(1), 'b.yaml': service(0) })
    assert.deepEqual(summary(run(first, refused).state), ['s@b.yaml*'])
    const hidden = given({ 'a.yaml': service(1) }, ['b.yaml'])
    assert.deepEqual(summary(run(first, hidden).state), ['s@b.yaml*'])
    assert.deepEqual(summary(run(first, given({ 'a.yaml': service(1) })).state), ['s@a.yaml'])
  })

  it('are not seen in documents that stay while another of their file changes', () => {
    const before = given({ x: `${service(1)}---\n${namespace('a')}` })
    const after = given({ x: `${service(1)}---\n${namespace('a', ', labels: {k: v}')}` })
    assert.deepEqual(run(before, after).messages, [])
    const { documents } = before.files[0] ?? { documents: [] }
    const [kept, ...changed] = documents
    assert.ok(kept !== undefined)
    const copy = { document: { ...kept.document }, admitted: kept.admitted }
    const reread = { files: [{ path: 'x', documents: [copy, ...changed] }], unreadable: [] }
    assert.deepEqual(run(before, reread).messages, [])
  })

  it('within one file are served by the first', () => {
    const { state, messages } = run(given({ x: `${service(1)}---\n${service(2)}` }))
    assert.equal([...state.values()][0]?.document.line, 1)
    assert.equal(messages.length, 1)
  })
})

describe('generation', () => {
  function generation(...texts: readonly string[]): number | undefined {
    const { state } = run(...texts.map((text) => given({ x: text })))
    return [...state.values()][0]?.generation
  }

  it('counts changes of the spec, not of metadata, comments or place', () => {
    assert.equal(generation(service(1)), 1)
    assert.equal(generation(service(1), service(2), service(1)), 3)
    assert.equal(generation(service(1), `# moved\n${service(1, ', labels: {a: b}')}`), 1)
  })

  it('stands still while the object is refused', () => {
    assert.equal(generation(service(1), service(0), service(1)), 1)
    assert.equal(generation(service(1), service(0), service(2)), 2)
  })

  it('is metadata.generation when that is there', () => {
    assert.equal(generation(service(1), service(2, ', generation: 7')), 7)
  })

  it('counts from the whole object for kinds without a spec', () => {
    const text = (value: string) =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {k: ${value}}\n`
    assert.equal(generation(text('a'), text('b'), text('b')), 2)
  })

  it('follows an object into another file', () => {
    const { state } = run(given({ x: service(1) }), given({ y: service(2) }))
    assert.deepEqual(
      [...state.values()].map(({ path, generation: count }) => [path, count]),
      [['y', 2]],
    )
  })
})

describe('age and memory', () => {
  it('is creationTimestamp, else the first-seen time where that is kept, else unknown', () => {
    const { state } = run(given({ x: service(1) }), given({ x: service(2) }))
    const [held] = [...state.values()]
    assert.ok(held !== undefined)
    assert.equal(resourceOf(held, true).createdAt, 1000)
    const fresh = { ...held }
    assert.equal(resourceOf(fresh, false).createdAt, undefined)
    const dated = run(given({ x: service(1, ', creationTimestamp: "2026-01-31T12:00:00Z"') }))
    const [datedHeld] = [...dated.state.values()]
    assert.ok(datedHeld !== undefined)
    assert.equal(resourceOf(datedHeld, true).createdAt, Date.UTC(2026, 0, 31, 12))
  })

  it('comes back from JSON with last good texts and generations', () => {
    const { state } = run(
      given({ x: `# one\n${service(1)}` }),
      given({ x: `# two\n\n${service(2)}` }),
    )
    const json: unknown = JSON.parse(JSON.stringify(memoryOf(state)))
    const restored = restoreMemory(json, 'reject')
    const { held } = settle(restored.state, given({ x: BROKEN }), { now: 9000 })
    const [served] = [...held.values()]
    assert.ok(served !== undefined)
    assert.deepEqual([served.stale, served.generation, served.firstSeen], [true, 2, 1000])
    assert.equal(
      formatOrigin(resourceOf(served, true).locate(['spec', 'ports', 0, 'port'])),
      'x:6:23',
    )
  })

  it('never holds the text of a document with a Secret, but its age', () => {
    const secret = 'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: hunter2}\n'
    const list = `apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Secret, metadata: {name: t}, stringData: {k: hunter2}}, {apiVersion: v1, kind: Namespace, metadata: {name: n}}]\n`
    const { state } = run(given({ x: `${secret}---\n${list}---\n${namespace('a')}` }))
    const json = JSON.stringify(memoryOf(state))
    assert.doesNotMatch(json, /hunter2/)
    const restored = restoreMemory(JSON.parse(json), 'reject')
    assert.deepEqual(summary(restored.state), ['a@x'])
    assert.equal(restored.remembered.size, 4)
  })

  it('survives what is no memory of ours', () => {
    for (const value of [
      undefined,
      null,
      5,
      [],
      { version: 9 },
      { version: 1, objects: [{}, 5] },
    ]) {
      assert.equal(restoreMemory(value, 'reject').state.size, 0)
    }
  })
})

describe('what the pass before came from', () => {
  it('spares work and changes nothing', () => {
    const usual = (name: string) =>
      fc.constantFrom(
        namespace(name),
        namespace(name, ', labels: {x: y}'),
        `# moved\n${namespace(name)}`,
      )
    const odd = fc.constantFrom(
      namespace('x0'),
      namespace('x0', ', labels: 5'),
      service(80),
      service(81, ', generation: 7'),
      'apiVersion: x/v1\nkind: Other\nmetadata: {name: x}\n',
      BROKEN,
    )
    // Mostly the same objects in the same places.
    const file = (name: string) =>
      fc
        .tuple(
          usual(`${name}0`),
          usual(`${name}1`),
          fc.oneof({ weight: 8, arbitrary: fc.constant('# none\n') }, odd),
        )

        .chain((texts) =>
          fc.oneof(
            { weight: 4, arbitrary: fc.constant(texts) },
            fc.shuffledSubarray(texts, { minLength: 3 }),
          ),
        )
        .map((texts) => texts.join('---\n'))
    const files = fc.oneof(
      { weight: 4, arbitrary: fc.record({ x: file('x'), y: file('y'), z: file('z') }) },
      fc.record({ x: file('x'), y: file('z') }, { requiredKeys: [] }),
      fc.record({ x: file('x'), y: file('y'), other: file('z') }),
    )
    const unreadable = fc.constantFrom([], [], [], [], [], ['x'])
    fc.assert(
      fc.property(fc.array(fc.tuple(files, unreadable), { maxLength: 8 }), (passes) => {
        // A file that is the same is the same object, as the loader has it.
        const known = new Map<string, Given['files'][number]>()
        let after: Settled | undefined
        let state: IdentityState = new Map()
        for (const [now, [texts, closed]] of passes.entries()) {
          const fresh = given(texts, closed)
          const pass = {
            ...fresh,
            files: fresh.files.map((one) => {
              const key = `${one.path} ${new Map(Object.entries(texts)).get(one.path)}`
              const same = known.get(key) ?? one
              known.set(key, same)
              return same
            }),
          }
          const plain = settle(state, pass, { now })
          const settled = settle(state, pass, { now, ...(after && { after }) })
          assert.deepEqual([...settled.held], [...plain.held])
          assert.deepEqual(settled, plain)
          after = settled
          state = settled.held
        }
      }),
      { numRuns: 300 },
    )
  })
})
