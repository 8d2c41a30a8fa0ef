/** The demo's manifests: one Gateway, every row of the README's table, backends on this machine. */
import type { Backend } from './backends.ts'

export interface DemoBackends {
  readonly secure: Backend
  readonly echo: Backend
  readonly web: Backend
  readonly canary: Backend
  readonly h2c: Backend
}

/** Certificates that gwproxy itself presents; `namespace/name` of Secret by directory below certs/. */
export const DEMO_CERTIFICATES = {
  'web.demo.test': ['web.demo.test'],
  'wildcard.demo.test': ['*.demo.test', 'demo.test'],
} as const satisfies Record<string, readonly string[]>

export const TLS_PORT = 8443
export const HTTP_PORT = 8080

export function gatewayYaml(address: string): string {
  return `# One port for everything that starts with a ClientHello, told apart by SNI; one for plain HTTP.
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: demo
spec:
  gatewayClassName: gwproxy
  addresses:
    - value: ${address}
  listeners:
    - name: passthrough
      protocol: TLS
      port: ${TLS_PORT}
      hostname: secure.demo.test
      tls:
        mode: Passthrough
    - name: terminate
      protocol: TLS
      port: ${TLS_PORT}
      hostname: echo.demo.test
      tls:
        mode: Terminate
        certificateRefs:
          - name: wildcard
    - name: https
      protocol: HTTPS
      port: ${TLS_PORT}
      hostname: web.demo.test
      tls:
        certificateRefs:
          - name: web
    - name: https-any
      protocol: HTTPS
      port: ${TLS_PORT}
      hostname: '*.demo.test'
      tls:
        certificateRefs:
          - name: wildcard
    - name: http
      protocol: HTTP
      port: ${HTTP_PORT}
---
apiVersion: v1
kind: Secret
metadata:
  name: web
  annotations:
    gwproxy.dev/from-directory: ../certs/web.demo.test
type: kubernetes.io/tls
---
apiVersion: v1
kind: Secret
metadata:
  name: wildcard
  annotations:
    gwproxy.dev/from-directory: ../certs/wildcard.demo.test
type: kubernetes.io/tls
`
}

export const ROUTES_YAML = `# TLS Passthrough: the still encrypted stream goes to the backend that the SNI names.
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata:
  name: secure
spec:
  parentRefs:
    - name: demo
      sectionName: passthrough
  hostnames:
    - secure.demo.test
  rules:
    - backendRefs:
        - name: secure
          port: 443
---
# TLS Terminate: TLS ends here, plain bytes go on.
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata:
  name: echo
spec:
  parentRefs:
    - name: demo
      sectionName: terminate
  hostnames:
    - echo.demo.test
  rules:
    - backendRefs:
        - name: echo
          port: 7000
---
# HTTPS: HTTP/1.1, HTTP/2 and WebSocket, matched, filtered, forwarded.
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: web
spec:
  parentRefs:
    - name: demo
      sectionName: https
    - name: demo
      sectionName: https-any
    - name: demo
      sectionName: http
  hostnames:
    - web.demo.test
    - '*.demo.test'
  rules:
    - matches:
        - path:
            value: /old
      filters:
        - type: RequestRedirect
          requestRedirect:
            path:
              type: ReplacePrefixMatch
              replacePrefixMatch: /new
            statusCode: 301
    - matches:
        - path:
            value: /h2c
      backendRefs:
        - name: h2c
          port: 80
    - matches:
        - path:
            value: /
      filters:
        - type: RequestHeaderModifier
          requestHeaderModifier:
            set:
              - name: x-demo
                value: through gwproxy
      backendRefs:
        - name: web
          port: 80
          weight: 90
        - name: canary
          port: 80
          weight: 10
`

export function backendsYaml(backends: DemoBackends): string {
  return [
    service('secure', 443, backends.secure),
    service('echo', 7000, backends.echo),
    service('web', 80, backends.web),
    service('canary', 80, backends.canary),
    service('h2c', 80, backends.h2c, 'kubernetes.io/h2c'),
  ].join('---\n')
}

function service(name: string, port: number, backend: Backend, appProtocol?: string): string {
  return `apiVersion: v1
kind: Service
metadata:
  name: ${name}
spec:
  ports:
    - name: main
      port: ${port}
${appProtocol === undefined ? '' : `      appProtocol: ${appProtocol}\n`}---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${name}
  labels:
    kubernetes.io/service-name: ${name}
addressType: IPv4
ports:
  - name: main
    port: ${backend.port}
endpoints:
  - addresses:
      - ${backend.address}
`
}
