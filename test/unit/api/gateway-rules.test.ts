/** Rules across fields of GatewayClass, Gateway, ListenerSet, ReferenceGrant and policies. */
import { describe } from 'node:test'
import { testRules } from './rule-cases.ts'

const HTTP = { name: 'http', port: 80, protocol: 'HTTP' }
const TLS = { name: 'tls', port: 443, protocol: 'TLS', tls: { mode: 'Passthrough' } }
const certificateRefs = [{ name: 'cert' }]

const listenerRules = [
  {
    rule: 'no tls for HTTP, TCP and UDP',
    accept: { listeners: [HTTP] },
    refuse: { listeners: [{ ...HTTP, tls: { certificateRefs } }] },
    at: 'spec.listeners[0].tls must not be set for protocol HTTP',
  },
  {
    rule: 'HTTPS terminates',
    accept: { listeners: [{ ...HTTP, protocol: 'HTTPS', tls: { certificateRefs } }] },
    refuse: { listeners: [{ ...HTTP, protocol: 'HTTPS', tls: { mode: 'Passthrough' } }] },
    at: 'spec.listeners[0].tls.mode must be Terminate for protocol HTTPS; for Passthrough use TLS',
  },
  {
    rule: 'HTTPS without tls is admitted, TLS without tls is not',
    accept: { listeners: [{ ...HTTP, protocol: 'HTTPS' }] },
    refuse: { listeners: [{ ...HTTP, protocol: 'TLS' }] },
    at: 'spec.listeners[0].tls must be set for protocol TLS, with mode Terminate or Passthrough',
  },
  {
    rule: 'no hostname for TCP and UDP',
    accept: { listeners: [{ ...HTTP, hostname: 'a.example' }] },
    refuse: { listeners: [{ ...HTTP, protocol: 'UDP', hostname: 'a.example' }] },
    at: 'spec.listeners[0].hostname must not be set for protocol UDP',
  },
  {
    rule: 'names are unique',
    accept: { listeners: [HTTP, { ...HTTP, name: 'b', port: 81 }] },
    refuse: { listeners: [HTTP, { ...HTTP, port: 81 }] },
    at: 'spec.listeners[1].name must be unique: entry [0] has the same name',
  },
  {
    rule: 'port, protocol and hostname are unique together',
    accept: { listeners: [HTTP, { ...HTTP, name: 'b', hostname: 'a.example' }] },
    refuse: { listeners: [HTTP, { ...HTTP, name: 'b' }] },
    at: 'spec.listeners[1] must be unique: entry [0] has the same port, protocol and hostname',
  },
  {
    rule: 'Terminate needs certificateRefs or options',
    accept: { listeners: [{ ...TLS, tls: { options: { 'example.com/a': 'b' } } }] },
    refuse: { listeners: [{ ...TLS, tls: { mode: 'Terminate', certificateRefs: [] } }] },
    at: 'spec.listeners[0].tls.certificateRefs must name at least one certificate when mode is Terminate (or options must be set)',
  },
]

describe('rules across fields of Gateways and ListenerSets', () => {
  const gateway = (part: object) => ({
    spec: { gatewayClassName: 'gwproxy', listeners: [HTTP], ...part },
  })
  testRules('Gateway', gateway, listenerRules)
  testRules(
    'ListenerSet',
    (part) => ({ spec: { parentRef: { name: 'a' }, ...part } }),
    listenerRules,
  )

  const ca = { group: '', kind: 'ConfigMap', name: 'ca' }
  const perPort = { port: 443, tls: { validation: { caCertificateRefs: [ca] } } }
  testRules('Gateway', gateway, [
    {
      rule: 'an IPAddress is an IP address',
      accept: { addresses: [{ value: '::1' }, { type: 'Hostname', value: 'a.example' }] },
      refuse: { addresses: [{ value: 'fe80::1%eth0' }] },
      at: 'spec.addresses[0].value must be an IPv4 or IPv6 address',
    },
    {
      rule: 'a Hostname address is a DNS name',
      accept: { addresses: [{ type: 'Hostname' }] },
      refuse: { addresses: [{ type: 'Hostname', value: 'a.example:80' }] },
      at: 'spec.addresses[0].value must be a lower-case DNS name',
    },
    {
      rule: 'addresses are unique by type',
      accept: { addresses: [{ value: '10.0.0.1' }, { type: 'example.com/x', value: '10.0.0.1' }] },
      refuse: { addresses: [{ value: '10.0.0.1' }, { type: 'IPAddress', value: '10.0.0.1' }] },
      at: 'spec.addresses[1].value must be unique: entry [0] has the same value',
    },
    {
      rule: 'ports of frontend validation are unique',
      accept: { tls: { frontend: { default: {}, perPort: [perPort] } } },
      refuse: { tls: { frontend: { default: {}, perPort: [perPort, perPort] } } },
      at: 'spec.tls.frontend.perPort[1].port must be unique: entry [0] has the same port',
    },
    {
      rule: 'keys of infrastructure labels are qualified names',
      accept: { infrastructure: { labels: { 'example.com/a': 'b' } } },
      refuse: { infrastructure: { labels: { 'a b': 'b' } } },
      at: 'spec.infrastructure.labels["a b"] must be a key of an optional DNS prefix with "/" and a name of up to 63 letters, digits, "-", "_" and "."',
    },
  ])
})

describe('rules across fields of BackendTLSPolicies', () => {
  const target = { group: '', kind: 'Service', name: 'a' }
  const caCertificateRefs = [{ group: '', kind: 'ConfigMap', name: 'ca' }]
  const policy = ({ targetRefs = [target], ...validation }: { targetRefs?: object[] }) => ({
    spec: {
      targetRefs,
      validation: { hostname: 'a.example', wellKnownCACertificates: 'System', ...validation },
    },
  })
  const clash =
    'must have a sectionName that the other refs to this target, which need one too, have not'
  testRules('BackendTLSPolicy', policy, [
    {
      rule: 'either caCertificateRefs or wellKnownCACertificates',
      accept: { caCertificateRefs: [] },
      refuse: { caCertificateRefs },
      at: 'spec.validation.wellKnownCACertificates must not be set beside caCertificateRefs',
    },
    {
      rule: 'one of caCertificateRefs and wellKnownCACertificates',
      accept: { wellKnownCACertificates: undefined, caCertificateRefs },
      refuse: { wellKnownCACertificates: undefined },
      at: 'spec.validation.caCertificateRefs must name at least one CA certificate, or wellKnownCACertificates must be System',
    },
    {
      rule: 'all refs to one target have a sectionName',
      accept: {
        targetRefs: [
          { ...target, sectionName: 'x' },
          { ...target, sectionName: 'y' },
        ],
      },
      refuse: { targetRefs: [{ ...target, sectionName: 'x' }, target] },
      at: `spec.targetRefs[1] ${clash}`,
    },
    {
      rule: 'sectionNames of one target differ',
      accept: { targetRefs: [target, { ...target, name: 'b' }] },
      refuse: { targetRefs: [target, target] },
      at: `spec.targetRefs[1] ${clash}`,
    },
    {
      rule: 'a subjectAltName has the field of its type',
      accept: { subjectAltNames: [{ type: 'URI', uri: 'spiffe://a/b' }] },
      refuse: { subjectAltNames: [{ type: 'Hostname' }] },
      at: 'spec.validation.subjectAltNames[0].hostname must be set when type is Hostname',
    },
    {
      rule: 'a subjectAltName has no field of another type',
      accept: { subjectAltNames: [{ type: 'Hostname', hostname: '*.a.example' }] },
      refuse: { subjectAltNames: [{ type: 'Hostname', hostname: 'a', uri: 'spiffe://a/b' }] },
      at: 'spec.validation.subjectAltNames[0].uri must not be set when type is Hostname',
    },
  ])
})

describe('rules across fields of backends', () => {
  const external = { type: 'ExternalHostname', port: { port: 443 } }
  const externalHostname = { hostname: 'a.example' }
  testRules('XBackend', (part) => ({ spec: { ...external, ...part } }), [
    {
      rule: 'type ExternalHostname needs externalHostname',
      accept: { externalHostname },
      refuse: {},
      at: 'spec.externalHostname must be set when type is ExternalHostname',
    },
    {
      rule: 'no name inside a cluster',
      accept: { externalHostname },
      refuse: { externalHostname: { hostname: 'a.b.svc.cluster.local' } },
      at: 'spec.externalHostname.hostname must not end with .cluster.local',
    },
    {
      rule: 'a client certificate is for mode ClientAndServer',
      accept: {
        externalHostname,
        tls: { mode: 'ClientAndServer', clientCertificateRef: { name: 'a' } },
      },
      refuse: {
        externalHostname,
        tls: { mode: 'ServerOnly', clientCertificateRef: { name: 'a' } },
      },
      at: 'spec.tls.clientCertificateRef must not be set when mode is ServerOnly',
    },
  ])

  const ip = { ip: { address: '::1', port: 80 } }
  const fqdn = { fqdn: { hostname: 'a.example', port: 80 } }
  testRules('Backend', (part) => ({ spec: part }), [
    {
      rule: 'an endpoint has one address',
      accept: { endpoints: [{ unix: { path: '/run/a.sock' } }] },
      refuse: { endpoints: [{ ...ip, ...fqdn }] },
      at: 'spec.endpoints[0].ip must not be set beside fqdn',
    },
    {
      rule: 'an endpoint has an address',
      accept: { endpoints: [fqdn, fqdn] },
      refuse: { endpoints: [{ zone: 'a' }] },
      at: 'spec.endpoints[0] must have one of fqdn, ip and unix',
    },
    {
      rule: 'names are not mixed with addresses',
      accept: { endpoints: [ip, { unix: { path: '/run/a.sock' } }] },
      refuse: { endpoints: [ip, fqdn] },
      at: 'spec.endpoints[1] must not mix fqdn with other kinds of addresses in one Backend',
    },
    {
      rule: 'insecureSkipVerify excludes CA certificates',
      accept: { tls: { wellKnownCACertificates: 'System' } },
      refuse: { tls: { wellKnownCACertificates: 'System', insecureSkipVerify: true } },
      at: 'spec.tls.insecureSkipVerify must not be true beside CA certificates',
    },
    {
      rule: 'a DynamicResolver has no endpoints',
      accept: { type: 'DynamicResolver' },
      refuse: { type: 'DynamicResolver', endpoints: [ip] },
      at: 'spec.endpoints must not be set for type DynamicResolver',
    },
  ])
})
