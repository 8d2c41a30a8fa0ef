/** What a ListenerSet is told names nothing of its Gateway or of other sets (digest section 8). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Condition } from '../../../src/model/status.ts'
import { DEFAULT_OPTIONS } from '../../../src/translate/options.ts'
import { applyBindResults } from '../../../src/translate/status/programmed.ts'
import { translate } from '../../../src/translate/translate.ts'
import { GOLDEN_NOW, resourceSetOf, splitText, withCertificates } from '../../golden/load.ts'

const GATEWAYS = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: hidden-gw, namespace: hidden}
spec:
  gatewayClassName: gwproxy
  allowedListeners: {namespaces: {from: All}}
  tls: {frontend: {default: {validation: {caCertificateRefs: [{group: "", kind: ConfigMap, name: hidden-ca}]}}}}
  listeners:
    - {name: hidden-http, port: 80, protocol: HTTP, hostname: a.test}
    - {name: hidden-tls, port: 443, protocol: TLS, hostname: "*.test", tls: {mode: Passthrough}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: hidden-broken, namespace: hidden}
spec:
  gatewayClassName: gwproxy
  allowedListeners: {namespaces: {from: All}}
  infrastructure: {parametersRef: {group: example.com, kind: HiddenParameters, name: hidden-parameters}}
  listeners: [{name: hidden-other, port: 80, protocol: HTTP, hostname: b.test}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: a-hidden-elder, namespace: hidden}
spec:
  gatewayClassName: gwproxy
  listeners: [{name: hidden-tcp, port: 9000, protocol: TCP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: a-hidden-set, namespace: hidden-team}
spec:
  parentRef: {name: hidden-gw, namespace: hidden}
  listeners: [{name: hidden-entry, port: 81, protocol: HTTP}]
---
`

interface Case {
  readonly why: string
  readonly parent: string
  readonly listener: string
  /** Of the entry's Accepted condition, or of the set's when it has no entry. */
  readonly reason: string
}

const CASES: readonly Case[] = [
  set('hostname', 'hidden-gw', 'port: 80, protocol: HTTP, hostname: a.test', 'HostnameConflict'),
  set('protocol', 'hidden-gw', 'port: 80, protocol: TCP', 'ProtocolConflict'),
  set('another set', 'hidden-gw', 'port: 81, protocol: HTTP', 'HostnameConflict'),
  set('another Gateway', 'hidden-gw', 'port: 9000, protocol: HTTP', 'PortUnavailable'),
  set(
    'authorities',
    'hidden-gw',
    'port: 443, protocol: HTTPS, hostname: c.test, tls: {certificateRefs: [{name: cert}]}',
    'NoValidCACertificate',
  ),
  set(
    'overlap',
    'hidden-gw',
    'port: 443, protocol: TLS, hostname: d.test, tls: {mode: Passthrough}',
    'Accepted',
  ),
  set('a broken Gateway', 'hidden-broken', 'port: 82, protocol: HTTP', 'Accepted'),
  set('not allowed', 'a-hidden-elder', 'port: 83, protocol: HTTP', 'NotAllowed'),
]

function set(why: string, parent: string, listener: string, reason: string): Case {
  return { why, parent, listener, reason }
}

describe('what a ListenerSet is told', () => {
  for (const { why, parent, listener, reason } of CASES) {
    it(`of ${why} names nobody`, async () => {
      const conditions = await conditionsOf(parent, listener)
      const accepted = conditions.findLast(({ type }) => type === 'Accepted')
      assert.equal(accepted?.reason, reason)
      const telling = conditions.filter(({ message }) => /hidden/i.test(message))
      assert.deepEqual(telling, [])
    })
  }
})

/** Of a set with this listener, then of its entry; no socket could be bound. */
async function conditionsOf(parent: string, listener: string): Promise<readonly Condition[]> {
  const text = await withCertificates(`${GATEWAYS}
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: set, namespace: team}
spec:
  parentRef: {name: ${parent}, namespace: hidden}
  listeners: [{name: own, ${listener}}]
---
apiVersion: v1
kind: Secret
metadata: {name: cert, namespace: team}
type: kubernetes.io/tls
data: {tls.crt: "{{cert c.test}}", tls.key: "{{key c.test}}"}
`)
  const { statuses, pending } = translate(resourceSetOf(splitText(text)), {
    ...DEFAULT_OPTIONS,
    now: GOLDEN_NOW,
  })
  const error = { errno: 'EADDRNOTAVAIL', message: 'no such address' }
  const results = pending.flatMap(({ binds }) => binds.map((bind) => ({ bind, error })))
  const set = applyBindResults(statuses, pending, results).find(({ key }) => key.name === 'set')
  assert.equal(set?.body.kind, 'listener-set')
  return [...set.body.conditions, ...set.body.listeners.flatMap((entry) => entry.conditions)]
}
