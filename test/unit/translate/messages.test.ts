import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DEFAULT_OPTIONS } from '../../../src/translate/options.ts'
import { translate } from '../../../src/translate/translate.ts'
import { resourceSetOf } from '../../golden/load.ts'

const API = 'gateway.networking.k8s.io/v1'
const NOTHING = 'the policy does nothing for it.'
const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i)

describe('messages', () => {
  it('stay short on objects of the largest size', () => {
    const gateway = {
      apiVersion: API,
      kind: 'Gateway',
      metadata: { name: 'gw' },
      spec: {
        gatewayClassName: 'gwproxy',
        listeners: numbers(64).map((index) => ({
          name: `listener-${index}`,
          port: index < 32 ? 443 : 80,
          protocol: index < 32 ? 'TLS' : 'INVALID',
          hostname: `h${index}.example`,
          ...(index < 32 ? { tls: { mode: 'Passthrough' } } : {}),
        })),
      },
    }
    const routes = [{ name: 'gw' }, { name: 'gw', sectionName: 'none' }].map((ref, index) => ({
      apiVersion: API,
      kind: 'TLSRoute',
      metadata: { name: `r${index}` },
      spec: {
        parentRefs: [ref],
        hostnames: numbers(1024).map((host) => `x${host}.test`),
        rules: [{ backendRefs: [{ name: 'web', port: 80 }] }],
      },
    }))
    const documents = [gateway, ...routes].map((object) => JSON.stringify(object))
    const { statuses, diagnostics } = translate(resourceSetOf(documents), DEFAULT_OPTIONS)
    const texts = JSON.stringify([statuses, diagnostics]).match(/"message":"[^"]*"/g) ?? []
    assert.ok(texts.length > 60)
    for (const text of texts) assert.ok(text.length < 500, text)
    assert.ok(texts.some((text) => text.includes('and 1019 more')))
  })

  it('of a parent in another namespace say which', () => {
    const gateway = {
      apiVersion: API,
      kind: 'Gateway',
      metadata: { name: 'gw', namespace: 'infra' },
      spec: { gatewayClassName: 'c', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] },
    }
    const route = {
      apiVersion: API,
      kind: 'HTTPRoute',
      metadata: { name: 'web' },
      spec: {
        parentRefs: [{ name: 'gw' }, { name: 'other' }],
        rules: [{ filters: [{ type: 'RequestRedirect', requestRedirect: { statusCode: 301 } }] }],
      },
    }
    const documents = [gateway, route].map((object) => JSON.stringify(object))
    const { diagnostics } = translate(resourceSetOf(documents), DEFAULT_OPTIONS)
    assert.deepEqual(
      diagnostics.map(({ message, help }) => [message, help]),
      [
        [
          'Gateway default/gw does not exist, so the route is not attached to it.',
          'Gateway infra/gw exists: give the parentRef namespace: infra.',
        ],
        ['Gateway default/other does not exist, so the route is not attached to it.', undefined],
      ],
    )
  })

  it('of a hostname that no request can have say so', () => {
    const route = {
      apiVersion: API,
      kind: 'HTTPRoute',
      metadata: { name: 'web' },
      spec: { hostnames: ['10.0.0.1', 'a.test', '*.b.test', 'c.0x7', '*.9'] },
    }
    const gateway = {
      apiVersion: API,
      kind: 'Gateway',
      metadata: { name: 'gw' },
      spec: {
        gatewayClassName: 'c',
        listeners: [{ name: 'http', port: 80, protocol: 'HTTP', hostname: '10.0.0.2' }],
      },
    }
    const documents = [gateway, route].map((object) => JSON.stringify(object))
    const { diagnostics } = translate(resourceSetOf(documents), DEFAULT_OPTIONS)
    assert.deepEqual(
      diagnostics.flatMap(({ path, message }) =>
        path?.includes('hostname') ? [`${path}: ${message}`] : [],
      ),
      [
        'spec.listeners[0].hostname: 10.0.0.2 is an address, which a hostname never matches; without hostname it is served.',
        'spec.hostnames[0]: 10.0.0.1 is an address, which a hostname never matches; without hostname it is served.',
        'spec.hostnames[3]: c.0x7 is no DNS name that a client can send, so it never matches.',
        'spec.hostnames[4]: *.9 is no DNS name that a client can send, so it never matches.',
      ],
    )
  })

  it('of a policy for what no route uses name the target, and a group that is not that of Services', () => {
    const policy = {
      apiVersion: API,
      kind: 'BackendTLSPolicy',
      metadata: { name: 'tls' },
      spec: {
        targetRefs: ['', 'core'].map((group) => ({ group, kind: 'Service', name: 'web' })),
        validation: { hostname: 'web.test', wellKnownCACertificates: 'System' },
      },
    }
    const { diagnostics } = translate(resourceSetOf([JSON.stringify(policy)]), DEFAULT_OPTIONS)
    const found = diagnostics.filter(({ code }) => code === 'attachment')
    assert.deepEqual(
      found.map(({ path, message }) => [path, message]),
      [
        ['spec.targetRefs[0]', `No route served here uses Service default/web, so ${NOTHING}`],
        [
          'spec.targetRefs[1]',
          `No route served here uses Service default/web of group "core", so ${NOTHING}`,
        ],
      ],
    )
  })

  it('of a parent that no route can have are there for routes of others as well', () => {
    const route = {
      apiVersion: API,
      kind: 'HTTPRoute',
      metadata: { name: 'web' },
      spec: { parentRefs: [{ group: 'networking.k8s.io', kind: 'Gateway', name: 'gw' }] },
    }
    const { diagnostics } = translate(resourceSetOf([JSON.stringify(route)]), DEFAULT_OPTIONS)
    const found = diagnostics.filter(({ path }) => path === 'spec.parentRefs[0]')
    assert.deepEqual(
      found.map(({ severity, message }) => [severity, message]),
      [
        [
          'note',
          'A Gateway of group "networking.k8s.io" is no parent that gwproxy serves: routes attach to Gateways and ListenerSets.',
        ],
      ],
    )
  })

  it('of certificates that pass-through never shows say so, and of none say nothing', () => {
    const gateway = {
      apiVersion: API,
      kind: 'Gateway',
      metadata: { name: 'gw' },
      spec: {
        gatewayClassName: 'gwproxy',
        listeners: [[{ name: 'web' }], []].map((certificateRefs, index) => ({
          name: `tls-${index}`,
          port: 443 + index,
          protocol: 'TLS',
          tls: { mode: 'Passthrough', certificateRefs },
        })),
      },
    }
    const { diagnostics } = translate(resourceSetOf([JSON.stringify(gateway)]), DEFAULT_OPTIONS)
    assert.deepEqual(
      diagnostics.map(({ path, message }) => [path, message]),
      [
        [
          'spec.listeners[0].tls.certificateRefs',
          'Mode Passthrough shows no certificates of the listener: the backend shows its own.',
        ],
      ],
    )
  })

  it('of rules name what does nothing', () => {
    const redirect = { type: 'RequestRedirect', requestRedirect: { hostname: 'a.test' } }
    const rules = [
      {},
      { filters: [redirect] },
      { filters: [redirect], timeouts: { request: '1s' }, retry: { attempts: 1 } },
    ]
    const gateway = {
      apiVersion: API,
      kind: 'Gateway',
      metadata: { name: 'gw' },
      spec: { gatewayClassName: 'c', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] },
    }
    const route = {
      apiVersion: API,
      kind: 'HTTPRoute',
      metadata: { name: 'web' },
      spec: { parentRefs: [{ name: 'gw' }], rules },
    }
    const documents = [gateway, route].map((object) => JSON.stringify(object))
    const { diagnostics } = translate(resourceSetOf(documents), DEFAULT_OPTIONS)
    assert.deepEqual(
      diagnostics.map(({ severity, path, message }) => [severity, path, message]),
      [
        [
          'warning',
          'spec.rules[0].backendRefs',
          'The rule has no backends: requests get 500, connections are closed.',
        ],
        [
          'warning',
          'spec.rules[2].timeouts',
          'timeouts has no effect: the rule answers with a redirect.',
        ],
        [
          'warning',
          'spec.rules[2].retry',
          'retry has no effect: the rule answers with a redirect.',
        ],
      ],
    )
  })

  it('of conditions begin with a capital letter, and names in them stay as they are written', () => {
    const gateway = {
      apiVersion: API,
      kind: 'Gateway',
      metadata: { name: 'gw' },
      spec: {
        gatewayClassName: 'c',
        listeners: [
          {
            name: 'dns',
            port: 53,
            protocol: 'UDP',
            allowedRoutes: { kinds: [{ kind: 'TCPRoute' }] },
          },
        ],
      },
    }
    const { statuses } = translate(resourceSetOf([JSON.stringify(gateway)]), DEFAULT_OPTIONS)
    const messages = [...JSON.stringify(statuses).matchAll(/"message":"([^"\\]*)/g)].map(
      ([, m]) => m,
    )
    assert.ok(messages.some((text) => text?.startsWith('allowedRoutes.kinds names TCPRoute')))
    assert.deepEqual(
      messages.filter((text) => !/^(?:[A-Z]|allowedRoutes\.)/.test(text ?? '')),
      [],
    )
  })
})
