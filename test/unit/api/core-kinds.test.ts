/** Kinds of Kubernetes itself: real objects are admitted, what gwproxy uses is checked. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { endpointSliceSchema } from '../../../src/api/endpoint-slice.ts'
import { secretSchema } from '../../../src/api/secret.ts'
import { serviceSchema } from '../../../src/api/service.ts'
import { problems, testRules } from './rule-cases.ts'

const port = { port: 80 }
const address = (...addresses: string[]) => [{ addresses }]

describe('Services', () => {
  testRules('Service', (spec) => ({ spec }), [
    {
      rule: 'an ExternalName needs no ports but a name',
      accept: { type: 'ExternalName', externalName: 'a.example.' },
      refuse: { type: 'ExternalName' },
      at: 'spec.externalName must be a lower-case DNS name for type ExternalName',
    },
    {
      rule: 'others need a port unless headless',
      accept: { clusterIP: 'None' },
      refuse: { ports: [] },
      at: 'spec.ports must have at least one port, except for ExternalName and clusterIP None',
    },
    {
      rule: 'several ports have names',
      accept: { ports: [port] },
      refuse: { ports: [{ ...port, name: 'a' }, { port: 81 }] },
      at: 'spec.ports[1].name must be set when there are several ports',
    },
    {
      rule: 'names are unique',
      accept: {
        ports: [
          { ...port, name: 'a' },
          { port: 81, name: 'b' },
        ],
      },
      refuse: {
        ports: [
          { ...port, name: 'a' },
          { port: 81, name: 'a' },
        ],
      },
      at: 'spec.ports[1].name must be unique: entry [0] has the same name',
    },
    {
      rule: 'ports are unique by protocol',
      accept: {
        ports: [
          { ...port, name: 'a' },
          { ...port, name: 'b', protocol: 'UDP' },
        ],
      },
      refuse: {
        ports: [
          { ...port, name: 'a' },
          { ...port, name: 'b' },
        ],
      },
      at: 'spec.ports[1].port must be unique: entry [0] has the same port and protocol',
    },
    {
      rule: 'targetPort is a port or a name',
      accept: { ports: [{ ...port, targetPort: 'http-alt' }] },
      refuse: { ports: [{ ...port, targetPort: '8080' }] },
      at: 'spec.ports[0].targetPort must be a number from 1 to 65535 or the name of a port of the endpoints',
    },
    {
      rule: 'appProtocol is a qualified name',
      accept: { ports: [{ ...port, appProtocol: 'kubernetes.io/h2c' }] },
      refuse: { ports: [{ ...port, appProtocol: 'h2 c' }] },
      at: 'spec.ports[0].appProtocol must be a protocol such as http, https or kubernetes.io/h2c',
    },
  ])

  test('an object pasted from a cluster is admitted and stripped', () => {
    const service = serviceSchema.parse({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: {
        name: 'web',
        namespace: 'shop',
        creationTimestamp: '2026-01-31T12:00:00Z',
        uid: '5b0f6c8e-0000-4000-8000-000000000000',
        resourceVersion: '42',
        managedFields: [{ manager: 'kubectl', fieldsV1: { 'f:spec': {} } }],
      },
      spec: {
        clusterIP: '10.96.0.10',
        clusterIPs: ['10.96.0.10'],
        internalTrafficPolicy: 'Cluster',
        ipFamilies: ['IPv4'],
        ipFamilyPolicy: 'SingleStack',
        ports: [{ name: 'http', nodePort: 30080, port: 80, protocol: 'TCP', targetPort: 8080 }],
        selector: { app: 'web' },
        sessionAffinity: 'None',
        type: 'NodePort',
      },
      status: { loadBalancer: {} },
    })
    assert.deepEqual(service.spec, {
      type: 'NodePort',
      clusterIP: '10.96.0.10',
      selector: { app: 'web' },
      sessionAffinity: 'None',
      ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }],
    })
    assert.equal('managedFields' in service.metadata, false)
  })
})

describe('endpoints', () => {
  testRules('EndpointSlice', (part) => ({ addressType: 'IPv4', ...part }), [
    {
      rule: 'IPv4 addresses, loopback included',
      accept: { endpoints: address('127.0.0.1') },
      refuse: { endpoints: address('10.0.0.1', '::1') },
      at: 'endpoints[0].addresses[1] must be an IPv4 address for addressType IPv4',
    },
    {
      rule: 'IPv6 addresses, without zone',
      accept: { addressType: 'IPv6', endpoints: address('::1', '::ffff:10.0.0.1') },
      refuse: { addressType: 'IPv6', endpoints: address('fe80::1%eth0') },
      at: 'endpoints[0].addresses[0] must be an IPv6 address for addressType IPv6',
    },
    {
      rule: 'names, of one label too',
      accept: { addressType: 'FQDN', endpoints: address('app', 'a.example.') },
      refuse: { addressType: 'FQDN', endpoints: address('10.0.0.1') },
      at: 'endpoints[0].addresses[0] must be a lower-case DNS name for addressType FQDN',
    },
    {
      rule: 'port names are unique, the empty one too',
      accept: { ports: [{ port: 80 }, { name: 'b', port: 80 }] },
      refuse: { ports: [{ port: 80 }, { name: '', port: 81 }] },
      at: 'ports[1].name must be unique: entry [0] has the same name',
    },
  ])

  testRules('Endpoints', (subset) => ({ subsets: [subset] }), [
    {
      rule: 'addresses are IP addresses',
      accept: { addresses: [{ ip: '127.0.0.1' }], ports: [port] },
      refuse: { addresses: [{ ip: 'a.example' }] },
      at: 'subsets[0].addresses[0].ip must be an IPv4 or IPv6 address',
    },
    {
      rule: 'a subset has addresses',
      accept: { notReadyAddresses: [{ ip: '::1' }] },
      refuse: { ports: [port] },
      at: 'subsets[0].addresses must have at least one address (or notReadyAddresses must)',
    },
    {
      rule: 'several ports have names',
      accept: { addresses: [{ ip: '::1' }], ports: [port] },
      refuse: { addresses: [{ ip: '::1' }], ports: [{ ...port, name: 'a' }, { port: 81 }] },
      at: 'subsets[0].ports[1].name must be set when there are several ports',
    },
  ])

  test('a slice is defaulted', () => {
    const slice = endpointSliceSchema.parse({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'a', labels: { 'kubernetes.io/service-name': 'web' } },
      addressType: 'IPv4',
      endpoints: null,
      ports: [{ port: 80 }],
    })
    assert.deepEqual(slice.endpoints, [])
    assert.deepEqual(slice.ports, [{ name: '', protocol: 'TCP', port: 80 }])
  })
})

describe('Secrets and ConfigMaps', () => {
  const notBase64 = 'must be base64 of the standard alphabet with padding'
  const badKey =
    'must be a key of up to 253 letters, digits, "-", "_" and ".", and not start with ".."'
  testRules('Secret', (data) => ({ data }), [
    {
      rule: 'data is base64, line breaks allowed',
      accept: { 'tls.crt': 'YQ==\n', empty: '' },
      refuse: { 'tls.crt': '-----BEGIN CERTIFICATE-----' },
      at: `data.tls.crt ${notBase64}`.replace('data.tls.crt', 'data["tls.crt"]'),
    },
    {
      rule: 'keys are file names',
      accept: { '.dockerconfigjson': 'YQ==' },
      refuse: { '../x': 'YQ==' },
      at: `data["../x"] ${badKey}`,
    },
  ])
  testRules('ConfigMap', (part) => part, [
    {
      rule: 'a key is in one of the maps',
      accept: { data: { a: 'x' }, binaryData: { b: 'YQ==' } },
      refuse: { data: { a: 'x' }, binaryData: { a: 'YQ==' } },
      at: 'binaryData.a must not be in data too',
    },
  ])

  test('base64 is whole groups of four, the last one padded', () => {
    const groups = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
    const words = ['', 'A', 'A=', '==', 'AB==', 'ABC=', 'A===', '====', 'AB=C', 'ABCD', 'AB C']
    for (const word of words.flatMap((one) => words.map((other) => one + other))) {
      const data = { key: word }
      const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'a' }, data }
      assert.equal(secretSchema.safeParse(secret).success, groups.test(word), word)
    }
  })

  test('no message quotes a secret', () => {
    const secret = 'c2VjcmV0-not-base64'
    const result = secretSchema.safeParse({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'a' },
      data: { 'tls.key': secret, other: [secret] },
      stringData: { key: { [secret]: secret } },
    })
    assert.equal(result.success, false)
    assert.equal(JSON.stringify(result.error?.issues).includes('c2VjcmV0'), false)
  })
})

describe('metadata', () => {
  const named = (metadata: object) => ({ metadata: { name: 'a', ...metadata } })
  const form = (noun: string) => `metadata.${noun}`
  testRules('ConfigMap', named, [
    {
      rule: 'a name is a DNS subdomain',
      accept: { name: 'a.b-c' },
      refuse: { name: 'A' },
      at: `${form('name')} must be lower-case letters, digits, "-" and "."`,
    },
    {
      rule: 'a namespace is a DNS label',
      accept: { namespace: 'a' },
      refuse: { namespace: 'a.b' },
      at: `${form('namespace')} must be lower-case letters, digits and "-"`,
    },
    {
      rule: 'label values are short',
      accept: { labels: { 'example.com/a': '' } },
      refuse: { labels: { a: 'x y' } },
      at: `${form('labels')}.a must be a label value: up to 63 letters, digits, "-", "_" and "."`,
    },
    {
      rule: 'annotation keys are qualified names',
      accept: { annotations: { 'gwproxy.dev/from-files': 'any text: ü' } },
      refuse: { annotations: { 'a/b/c': '' } },
      at: `${form('annotations')}["a/b/c"] must be a key of an optional DNS prefix with "/" and a name of up to 63 letters, digits, "-", "_" and "."`,
    },
    {
      rule: 'creationTimestamp is a time',
      accept: { creationTimestamp: '2026-01-31T12:00:00.5+01:00' },
      refuse: { creationTimestamp: 'yesterday' },
      at: `${form('creationTimestamp')} must be a time such as 2026-01-31T12:00:00Z`,
    },
  ])

  test('explicit nulls are absent fields', () => {
    const nulls = { namespace: null, labels: null, creationTimestamp: null, generation: null }
    assert.deepEqual(problems('ConfigMap', { ...named(nulls), data: null }), [])
  })

  test('names of Services and Namespaces are DNS labels', () => {
    for (const kind of ['Service', 'Namespace'] as const) {
      const spec = { ports: [port] }
      assert.equal(problems(kind, { ...named({ name: 'a.b' }), spec }).length, 1)
      assert.deepEqual(problems(kind, { ...named({ name: 'a-b' }), spec }), [])
    }
  })
})
