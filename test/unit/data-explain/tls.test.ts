/** What both sides of a TLS connection show: to clients, and to backends. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { explainedOf, explainOne, gateway, route, service } from './explained.ts'

const https = (name: string, port: number, hostname: string) =>
  `{name: ${name}, port: ${port}, protocol: HTTPS, hostname: ${hostname}, tls: {certificateRefs: [{name: ${name}}]}}`
const secret = (name: string, dnsName: string) => `
---
apiVersion: v1
kind: Secret
metadata: {name: ${name}}
type: kubernetes.io/tls
data: {tls.crt: "{{cert ${dnsName}}}", tls.key: "{{key ${dnsName}}}"}
`
const validation = (mode: string) =>
  `{validation: {mode: ${mode}, caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}}`
const policy = (name: string, target: string, trust: string) => `
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: ${name}}
spec:
  targetRefs: [{group: "", kind: Service, name: ${target}}]
  validation: {${trust}}
`
const CA = `
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ca}
binaryData: {ca.crt: "{{ca one}}"}
`

const YAML = `${gateway(
  [https('a', 443, 'a.test'), https('b', 443, 'b.test'), https('lax', 8443, 'a.test')].join(', '),
  `tls:
    backend: {clientCertificateRef: {name: b}}
    frontend:
      default: ${validation('AllowValidOnly')}
      perPort: [{port: 8443, tls: ${validation('AllowInsecureFallback')}}, {port: 9443, tls: {}}]`,
)}
${route(
  'HTTPRoute',
  'r',
  `rules:
    - {matches: [{path: {value: /app}}], backendRefs: [{name: app, port: 80}]}
    - {matches: [{path: {value: /system}}], backendRefs: [{name: system, port: 80}]}
    - {backendRefs: [{name: plain, port: 80}]}`,
)}
${service('app')}${service('system')}${service('plain')}${CA}
${secret('a', 'a.test')}${secret('b', 'b.test')}${secret('lax', 'a.test')}
${policy('app', 'app', 'hostname: app.internal, subjectAltNames: [{type: Hostname, hostname: one.internal}], caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]')}
${policy('system', 'system', 'hostname: system.example, wellKnownCACertificates: System')}
`

describe('TLS', () => {
  it('shows the certificate of the name, and what is asked of the client', async () => {
    const explained = await explainedOf(YAML)
    const shown = async (url: string) => {
      const { certificates, clientCertificate } = await explainOne(explained, url)
      return [certificates, clientCertificate]
    }
    assert.deepEqual(await shown('https://a.test'), [['default/a'], 'required'])
    assert.deepEqual(await shown('https://b.test'), [['default/b'], 'required'])
    assert.deepEqual(await shown('tls://a.test:8443'), [['default/lax'], 'asked for'])
  })

  it('shows whom it believes to be the backend', async () => {
    const explained = await explainedOf(YAML)
    const tlsOf = async (path: string) =>
      (await explainOne(explained, `https://a.test${path}`)).backends?.[0]?.tls
    assert.equal(
      await tlsOf('/app'),
      'BackendTLSPolicy/default/app, SNI app.internal, verified for DNS one.internal by own authorities, shows default/b',
    )
    assert.equal(
      await tlsOf('/system'),
      'BackendTLSPolicy/default/system, SNI system.example, verified for system.example by the authorities of the system, shows default/b',
    )
    assert.equal(await tlsOf('/'), undefined)
  })
})
