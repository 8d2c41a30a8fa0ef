import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parse } from 'yaml'
import { grantYaml, permits } from '../../../src/translate/reference-grants.ts'
import { contextOf, grant } from './fixture.ts'

const GATEWAY_API = 'gateway.networking.k8s.io'
const from = { group: GATEWAY_API, kind: 'HTTPRoute', namespace: 'web' }
const to = { group: '', kind: 'Service', namespace: 'data', name: 'db' }
const toAny = { group: '', kind: 'Service' }

describe('permits', () => {
  it('needs no grant within a namespace', () => {
    assert.equal(permits(contextOf([]), { ...from, namespace: 'data' }, to), true)
  })

  it('refuses another namespace without a grant', () => {
    assert.equal(permits(contextOf([]), from, to), false)
  })

  it('permits every name when the grant names none', () => {
    assert.equal(permits(contextOf([grant('data', from, toAny)]), from, to), true)
  })

  it('permits the name that the grant names', () => {
    assert.equal(
      permits(contextOf([grant('data', from, { ...toAny, name: 'db' })]), from, to),
      true,
    )
  })

  const insufficient: Readonly<Record<string, Parameters<typeof grant>>> = {
    'stands in the namespace of the referrer': ['web', from, toAny],
    'names another object': ['data', from, { ...toAny, name: 'other' }],
    'names another target kind': ['data', from, { group: '', kind: 'Secret' }],
    'names another target group': ['data', from, { group: 'example.com', kind: 'Service' }],
    'names another namespace': ['data', { ...from, namespace: 'other' }, toAny],
    'names another kind of referrer': ['data', { ...from, kind: 'TCPRoute' }, toAny],
    'names another group of referrer': ['data', { ...from, group: 'example.com' }, toAny],
  }
  for (const [what, manifest] of Object.entries(insufficient)) {
    it(`refuses when the grant ${what}`, () => {
      assert.equal(permits(contextOf([grant(...manifest)]), from, to), false)
    })
  }

  it('never combines the from of one grant with the to of another', () => {
    const context = contextOf([
      grant('data', { ...from, kind: 'TCPRoute' }, toAny),
      {
        ...grant('data', from, { group: '', kind: 'Secret' }),
        metadata: { name: 'b', namespace: 'data' },
      },
    ])
    assert.equal(permits(context, from, to), false)
  })
})

describe('grantYaml', () => {
  it('is a grant that permits exactly this reference', () => {
    const manifest = parse(grantYaml(from, to))
    assert.equal(permits(contextOf([manifest]), from, to), true)
    assert.equal(permits(contextOf([manifest]), from, { ...to, name: 'other' }), false)
  })

  for (const name of ['true', '123', '1e3', 'null', 'a: b', 'x\ny']) {
    it(`keeps ${JSON.stringify(name)} a text`, () => {
      assert.equal(parse(grantYaml(from, { ...to, name })).spec.to[0].name, name)
    })
  }
})
