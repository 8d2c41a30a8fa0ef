/** Rules across fields of GRPCRoutes and of the layer-4 routes. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { problems, testRules } from './rule-cases.ts'

const backendRefs = [{ name: 'a', port: 80 }]
const match = (part: object) => ({ spec: { rules: [{ matches: [part] }] } })

describe('rules of GRPCRoutes', () => {
  const method = 'spec.rules[0].matches[0].method'
  testRules('GRPCRoute', (part) => match({ method: part }), [
    {
      rule: 'a method match names service or method',
      accept: { method: 'Login' },
      refuse: {},
      at: `${method}.service must be set, or method must be (or both)`,
    },
    {
      rule: 'an exact service is a name',
      accept: { type: 'RegularExpression', service: 'a-.*' },
      refuse: { service: 'a-b' },
      at: `${method}.service must be a gRPC service name such as com.example.User`,
    },
    {
      rule: 'an exact method is a name',
      accept: { service: 'com.example.User', method: 'Login' },
      refuse: { method: 'a.b' },
      at: `${method}.method must be a gRPC method name such as Login`,
    },
  ])
})

describe('rules of TLS, TCP and UDP routes', () => {
  const tls = (hostnames: object) => ({ spec: { hostnames, rules: [{ backendRefs }] } })
  testRules('TLSRoute', tls, [
    {
      rule: 'a hostname is no IP address',
      accept: ['*.a.example'],
      refuse: ['10.0.0.1'],
      at: 'spec.hostnames[0] must be a DNS name: a TLS server name is never an IP address',
    },
  ])
  for (const kind of ['TLSRoute', 'TCPRoute', 'UDPRoute'] as const) {
    const hostnames = kind === 'TLSRoute' ? { hostnames: ['a.example'] } : {}
    const route = (rules: object) => ({ spec: { ...hostnames, rules } })
    testRules(kind, route, [
      {
        rule: 'v1 has exactly one rule',
        accept: [{ backendRefs }],
        refuse: [{ backendRefs }, { backendRefs }],
        at: 'spec.rules must have exactly one rule',
      },
    ])
    const cases = [
      {
        rule: 'v1alpha2 has several rules of unique names',
        accept: [{ backendRefs }, { backendRefs }],
        refuse: [
          { name: 'a', backendRefs },
          { name: 'a', backendRefs },
        ],
        at: 'spec.rules[1].name must be unique: entry [0] has the same name',
      },
    ]
    testRules(kind, route, cases, 'v1alpha2')
  }
  test('TLSRoute v1alpha2 needs no hostnames, v1alpha3 does', () => {
    const route = { spec: { rules: [{ backendRefs }] } }
    assert.deepEqual(problems('TLSRoute', route, 'v1alpha2'), [])
    assert.equal(problems('TLSRoute', route, 'v1alpha3').length, 1)
  })
})
