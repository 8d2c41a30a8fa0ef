/** Manifests as explain gets them, and explanations of them. */
import assert from 'node:assert/strict'
import { defaultRunOptions, translateOptionsOf } from '../../../src/control/options.ts'
import { explainRequest } from '../../../src/data/explain/explain.ts'
import { bindsOf } from '../../../src/data/explain/places.ts'
import type {
  Explained,
  ExplainRequest,
  Explanation,
  LiveState,
} from '../../../src/model/explanation.ts'
import { translate } from '../../../src/translate/translate.ts'
import { GOLDEN_NOW, resourceSetOf, withCertificates } from '../../golden/load.ts'

export async function explainedOf(yaml: string, live?: LiveState): Promise<Explained> {
  const options = { ...translateOptionsOf(defaultRunOptions({})), now: GOLDEN_NOW }
  const translation = translate(resourceSetOf([await withCertificates(yaml)]), options)
  return { parts: translation.parts, binds: bindsOf(translation), ...(live && { live }) }
}

/** The one answer that all addresses give. */
export async function explainOne(
  explained: Explained,
  url: string,
  request: Omit<ExplainRequest, 'url'> = {},
): Promise<Explanation> {
  const { explanations } = await explainRequest({ url, ...request }, explained)
  const [explanation, ...others] = explanations
  assert.ok(explanation !== undefined, `no answer to ${url}`)
  assert.deepEqual(others, [])
  return explanation
}

/** What a service and the slice of its one endpoint are. */
export function service(name: string, ports = 'port: 80', address = '192.0.2.10'): string {
  return `
---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {ports: [{${ports}}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [${address}]}]
`
}

export function gateway(listeners: string, more = '', name = 'gw'): string {
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ${name}}
spec:
  gatewayClassName: gwproxy
  ${more}
  listeners: [${listeners}]
`
}

export function route(kind: string, name: string, spec: string, parent = 'gw'): string {
  return `
---
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: {name: ${name}}
spec:
  parentRefs: [{name: ${parent}}]
  ${spec}
`
}
