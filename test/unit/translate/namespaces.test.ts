/** Which namespaces a listener admits: metav1.LabelSelector (digest sections 1.1 and 3.1). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AllowedRoutes, LabelSelector } from '../../../src/api/listener.ts'
import { admitsNamespace } from '../../../src/translate/namespaces.ts'
import { contextOf, type Manifest } from '../translate-http/fixture.ts'

const NAME = 'kubernetes.io/metadata.name'

function namespace(name: string, labels: Readonly<Record<string, string>>): Manifest {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } } as Manifest
}

const context = contextOf([
  namespace('a', { team: 'red', tier: 'web' }),
  namespace('b', { team: 'blue' }),
  namespace('liar', { [NAME]: 'a', team: 'red' }),
])
const ALL = ['a', 'b', 'liar', 'undeclared']

function admitted(allowed: AllowedRoutes['namespaces']): string[] {
  return ALL.filter((name) => admitsNamespace(context, allowed, 'b', name))
}

function expression(key: string, operator: string, ...values: string[]): LabelSelector {
  return { matchExpressions: [{ key, operator, ...(values.length > 0 ? { values } : {}) }] }
}

describe('allowed namespaces', () => {
  it('Same is the namespace of the listener, All is every one', () => {
    assert.deepEqual(admitted({ from: 'Same' }), ['b'])
    assert.deepEqual(admitted({ from: 'All' }), ALL)
  })

  const table: readonly (readonly [string, LabelSelector, readonly string[]])[] = [
    ['an empty selector', {}, ALL],
    ['a label', { matchLabels: { team: 'red' } }, ['a', 'liar']],
    ['every one of several labels', { matchLabels: { team: 'red', tier: 'web' } }, ['a']],
    ['In', expression('team', 'In', 'blue', 'green'), ['b']],
    [
      'NotIn, also where the label is absent',
      expression('team', 'NotIn', 'red'),
      ['b', 'undeclared'],
    ],
    ['Exists', expression('tier', 'Exists'), ['a']],
    ['DoesNotExist', expression('tier', 'DoesNotExist'), ['b', 'liar', 'undeclared']],
    ['an operator that nobody knows', expression('team', 'Fancy', 'red'), []],
    [
      'labels and expressions',
      { matchLabels: { team: 'red' }, ...expression('tier', 'DoesNotExist') },
      ['liar'],
    ],
    ['the name, declared or not', expression(NAME, 'In', 'undeclared'), ['undeclared']],
    ['the name, which no label can feign', { matchLabels: { [NAME]: 'a' } }, ['a']],
  ]
  for (const [what, selector, expected] of table) {
    it(`Selector: ${what}`, () => {
      assert.deepEqual(admitted({ from: 'Selector', selector }), expected)
    })
  }

  it('Selector without a selector admits nobody', () => {
    assert.deepEqual(admitted({ from: 'Selector' }), [])
  })
})
