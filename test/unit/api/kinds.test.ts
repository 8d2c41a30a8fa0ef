/** The registry, the resource set, unknown fields and the JSON Schemas. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import type { ZodType } from 'zod'
import { jsonSchemaOf } from '../../../src/api/json-schema.ts'
import { findKind, KINDS } from '../../../src/api/kinds.ts'
import type { KindEntry } from '../../../src/api/kinds.ts'
import { buildResourceSet, ResourceSets } from '../../../src/api/resource-set.ts'
import type { AnyResource } from '../../../src/api/resource-set.ts'
import { problems } from './rule-cases.ts'

const entries: readonly KindEntry[] = Object.values(KINDS)

describe('findKind', () => {
  test('knows every kind in every version it serves', () => {
    for (const [name, entry] of Object.entries(KINDS)) {
      assert.equal(entry.kind, name)
      for (const version of entry.versions) {
        const apiVersion = entry.group === '' ? version : `${entry.group}/${version}`
        const found = findKind(apiVersion, name)
        assert.deepEqual(found, { kind: 'known', entry, version })
      }
    }
  })

  test('tells apart what it does not know', () => {
    assert.equal(findKind('gateway.networking.k8s.io/v2', 'Gateway').kind, 'unsupported-version')
    assert.equal(findKind('gateway.networking.k8s.io/v1', 'Gatway').kind, 'unknown-kind')
    assert.equal(findKind('apps/v1', 'Deployment').kind, 'foreign')
    assert.equal(findKind('v1', 'Pod').kind, 'foreign')
    assert.equal(findKind('networking.istio.io/v1', 'Gateway').kind, 'foreign')
    assert.equal(findKind('', 'constructor').kind, 'foreign')
  })
})

describe('unknown fields', () => {
  const listener = { name: 'a', port: 80, protocol: 'HTTP' }
  test('are named where they stand, all at once', () => {
    const spec = { gatewayClassName: 'a', listeners: [{ ...listener, host: 'x' }], listener: [] }
    const { schema }: { schema: ZodType } = KINDS.Gateway
    const result = schema.safeParse({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: { name: 'a', future: 1 },
      spec,
    })
    const unknown = (result.error?.issues ?? []).map((issue) =>
      issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys] : issue,
    )
    assert.deepEqual(unknown, [
      ['spec', 'listeners', 0, ['host']],
      ['spec', ['listener']],
    ])
  })

  test('status is any object', () => {
    const spec = { gatewayClassName: 'a', listeners: [listener] }
    assert.deepEqual(problems('Gateway', { spec, status: { anything: [1] } }), [])
  })
})

describe('buildResourceSet', () => {
  test('sorts by namespace and name, and finds by key', () => {
    const names = ['b/a', 'a/b', 'a/a', 'a/B']
    const set = buildResourceSet(names.map((name) => configMap(...split(name))))
    const sorted = set.configMaps.map(({ key }) => `${key.namespace}/${key.name}`)
    assert.deepEqual(sorted, ['a/B', 'a/a', 'a/b', 'b/a'])
    assert.deepEqual(set.secrets, [])
    const key = { group: '', kind: 'ConfigMap', namespace: 'a', name: 'b' } as const
    assert.equal(set.find(key)?.object.metadata.name, 'b')
    assert.equal(set.find({ ...key, name: 'c' }), undefined)
  })
})

describe('ResourceSets', () => {
  test('gives what a set made anew gives, and the same list of a kind that is the same', () => {
    const names = fc.uniqueArray(fc.constantFrom('a/a', 'a/b', 'a/c', 'b/a', 'b/b'))
    fc.assert(
      fc.property(fc.array(names), (lists) => {
        const known = new Map<string, AnyResource>()
        const sets = new ResourceSets()
        for (const list of lists) {
          const resources = list.map((name) => {
            const resource = known.get(name) ?? configMap(...split(name))
            known.set(name, resource)
            return resource
          })
          const { find, ...kinds } = sets.next(resources)
          const { find: findAnew, ...expected } = buildResourceSet(resources)
          assert.deepEqual(kinds, expected)
          for (const { key } of known.values()) assert.equal(find(key), findAnew(key))
          assert.equal(sets.next([...resources]).configMaps, kinds.configMaps)
        }
      }),
    )
  })

  test('takes the later of two with one key, also after sets without such', () => {
    const sets = new ResourceSets()
    const [one, two] = [configMap('a', 'a'), configMap('a', 'a')]
    assert.deepEqual(sets.next([one]).configMaps, [one])
    assert.equal(sets.next([one, two]).configMaps[0], two)
    assert.equal(sets.next([two, one]).configMaps[0], one)
    assert.equal(sets.next([two]).configMaps[0], two)
  })
})

function split(name: string): [string, string] {
  const [namespace = '', rest = ''] = name.split('/')
  return [namespace, rest]
}

function configMap(namespace: string, name: string): AnyResource {
  const origin = { file: 'a.yaml', line: 1, column: 1 }
  return {
    key: { group: '', kind: 'ConfigMap', namespace, name },
    object: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace } },
    origin,
    locate: () => origin,
    generation: 1,
    createdAt: undefined,
    seenAt: 0,
    stale: false,
  }
}

describe('JSON Schemas', () => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  for (const { kind } of entries) {
    test(`${kind} has one that compiles`, () => {
      assert.equal(typeof ajv.compile(jsonSchemaOf(kind)), 'function')
    })
  }

  test('a file needs no defaults, unknown fields are refused, rules are described', () => {
    const schema = jsonSchemaOf('HTTPRoute')
    const validate = ajv.compile(schema)
    const route = {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: 'a' },
      spec: { parentRefs: [{ name: 'a' }], rules: [{ backendRefs: [{ name: 'a', port: 80 }] }] },
    }
    assert.equal(validate(route), true, JSON.stringify(validate.errors))
    assert.equal(validate({ ...route, spec: { ...route.spec, host: [] } }), false)
    assert.match(JSON.stringify(schema), /backendRequest is not longer than request/)
  })
})

describe('any value at all', () => {
  test('never makes a schema throw, nor pollutes a prototype', () => {
    const value = fc.jsonValue({ maxDepth: 6 })
    const keyed = fc.dictionary(
      fc.constantFrom('__proto__', 'spec', 'metadata', 'rules', 'a'),
      value,
    )
    fc.assert(
      fc.property(fc.constantFrom(...entries), fc.oneof(value, keyed), (entry, fields) => {
        const apiVersion = [entry.group, entry.versions[0]].filter((part) => part !== '').join('/')
        const object = typeof fields === 'object' ? { ...fields } : fields
        const framed =
          typeof object === 'object' ? { apiVersion, kind: entry.kind, ...object } : object
        const schema: ZodType = entry.schema
        schema.safeParse(framed)
        schema.safeParse(fields)
        assert.equal(({} as Record<string, unknown>)['a'], undefined)
      }),
      { numRuns: 500 },
    )
  })

  test('long text is judged in linear time', () => {
    const value = `${'a'.repeat(4095)}é`
    const headers = [{ name: 'a', value }]
    const startedAt = performance.now()
    const found = problems('HTTPRoute', { spec: { rules: [{ matches: [{ headers }] }] } })
    assert.equal(found.length, 1)
    const parentRefs = Array.from({ length: 50_000 }, () => ({ name: 'a' }))
    assert.equal(problems('HTTPRoute', { spec: { parentRefs } }).length, 1)
    assert.ok(performance.now() - startedAt < 5000)
  })
})
