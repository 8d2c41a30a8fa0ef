import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Admitted, admitDocument, type UnknownFields } from '../../../src/config/admit.ts'
import { splitDocuments } from '../../../src/config/documents.ts'
import { editDistance, nearest } from '../../../src/config/near-miss.ts'

function admit(text: string, unknownFields: UnknownFields = 'reject'): Admitted | undefined {
  const [document] = splitDocuments(text)
  assert.ok(document !== undefined)
  return admitDocument(document, unknownFields)[0]
}

/** `kind severity:code@path ...` */
function verdict(text: string, unknownFields: UnknownFields = 'reject'): string {
  const admitted = admit(text, unknownFields)
  const findings = admitted === undefined || admitted.kind === 'foreign' ? [] : admitted.findings
  const details = findings.map(({ severity, code, path }) => ` ${severity}:${code}@${path}`)
  return `${admitted?.kind}${details.join('')}`
}

const GATEWAY = `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: gwproxy
  listeners:
  - name: https
    port: 443
    protocol: HTTPS
    tls: {mode: Terminate, certificateRefs: [{name: cert}]}
`

const GRANT = `apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: grant}
spec:
  from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: edge}]
  to: [{group: "", kind: Secret}]
  only: production
`

describe('unknown fields', () => {
  it('refuse the object', () => {
    assert.equal(verdict(GATEWAY), 'object')
    assert.equal(verdict(`${GATEWAY}  extra: 1\n`), 'refused error:unknown-field@spec.extra')
  })

  it('are dropped with a warning when told so', () => {
    const text = `${GATEWAY}  extra: 1\n`
    assert.equal(verdict(text, 'warn'), 'object warning:unknown-field@spec.extra')
    const admitted = admit(text, 'warn')
    assert.doesNotMatch(JSON.stringify(admitted), /"extra":1/)
  })

  it('are never dropped below tls, and never from grants', () => {
    const typo = GATEWAY.replace('mode: Terminate', 'mode: Terminate, clientCa: x')
    assert.equal(
      verdict(typo, 'warn'),
      'refused error:unknown-field@spec.listeners[0].tls.clientCa',
    )
    assert.equal(verdict(GRANT, 'warn'), 'refused error:unknown-field@spec.only')
  })

  it('beside other problems refuse the object, each with its own severity', () => {
    const text = `${GATEWAY.replace('443', '0')}  extra: 1\n`
    assert.equal(
      verdict(text, 'warn'),
      'refused error:schema@spec.listeners[0].port warning:unknown-field@spec.extra',
    )
  })
})

describe('admitted objects', () => {
  it('get the namespace default, and none when their kind has none', () => {
    const gateway = admit(GATEWAY)
    assert.ok(gateway?.kind === 'object')
    assert.equal(gateway.object.metadata.namespace, 'default')
    const cluster = admit('apiVersion: v1\nkind: Namespace\nmetadata: {name: a, namespace: b}\n')
    assert.ok(cluster?.kind === 'object')
    assert.deepEqual([cluster.key.namespace, cluster.object.metadata.namespace], ['', undefined])
  })

  it('have explicit nulls as if they were absent', () => {
    assert.equal(verdict(`${GATEWAY}  addresses: null\n  tls:\n`), 'object')
  })

  it('keep their claimed identity when they are refused', () => {
    const refused = admit(
      GATEWAY.replace('name: web', 'name: web, namespace: edge').replace('443', '0'),
    )
    assert.ok(refused?.kind === 'refused')
    assert.deepEqual(refused.key, {
      group: 'gateway.networking.k8s.io',
      kind: 'Gateway',
      namespace: 'edge',
      name: 'web',
    })
  })
})

describe('near misses', () => {
  it('are found within a third of the word', () => {
    assert.equal(nearest('listners', ['listeners', 'addresses']), 'listeners')
    assert.equal(nearest('Terminat', ['Passthrough', 'Terminate']), 'Terminate')
    assert.equal(nearest('hots', ['host', 'port']), 'host')
    assert.equal(nearest('replicas', ['rules', 'hostnames']), undefined)
    assert.equal(nearest('x', ['tls']), undefined)
  })

  it('count a swap of neighbours as one edit', () => {
    assert.deepEqual(
      [editDistance('ab', 'ba'), editDistance('', 'abc'), editDistance('kitten', 'sitting')],
      [1, 3, 3],
    )
  })
})
