import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { resolve, web, webPort } from './backend-fixture.ts'
import { endpoints, type Manifest, service, slice } from './fixture.ts'

describe('a Service with EndpointSlices', () => {
  it('gives the addresses with the port of the slice that has the name of the Service port', () => {
    const { upstream, problem, findings } = resolve([
      web,
      slice('web', {
        ...webPort,
        endpoints: [{ addresses: ['10.0.0.2'] }, { addresses: ['10.0.0.1'] }],
      }),
    ])
    assert.deepEqual(upstream(), {
      kind: 'upstream',
      name: 'Service/default/web:80',
      protocol: 'tcp',
      endpoints: [
        { kind: 'ip', address: '10.0.0.1', port: 8080 },
        { kind: 'ip', address: '10.0.0.2', port: 8080 },
      ],
    })
    assert.equal(problem, undefined)
    assert.deepEqual(findings, [])
  })

  it('pairs an unnamed Service port with an unnamed slice port', () => {
    const { endpoints } = resolve([
      service('web', { ports: [{ port: 80 }] }),
      slice('web', { ports: [{ port: 3000 }], endpoints: [{ addresses: ['10.0.0.1'] }] }),
    ])
    assert.deepEqual(endpoints(), ['10.0.0.1:3000'])
  })

  it('merges slices of all address types without doubles', () => {
    const { endpoints } = resolve([
      web,
      slice('web', { ...webPort, endpoints: [{ addresses: ['10.0.0.1'] }] }),
      slice('web', { ...webPort, endpoints: [{ addresses: ['10.0.0.1'] }] }, { name: 'again' }),
      slice(
        'web',
        { ...webPort, addressType: 'IPv6', endpoints: [{ addresses: ['2001:DB8:0::1'] }] },
        { name: 'six' },
      ),
      slice(
        'web',
        { ...webPort, addressType: 'FQDN', endpoints: [{ addresses: ['web.example.com.'] }] },
        { name: 'fqdn' },
      ),
    ])
    assert.deepEqual(endpoints(), ['10.0.0.1:8080', '[2001:db8::1]:8080', 'web.example.com:8080'])
  })

  it('counts unset as ready and leaves out what is not ready', () => {
    const { endpoints } = resolve([
      web,
      slice('web', {
        ...webPort,
        endpoints: [
          { addresses: ['10.0.0.1'] },
          { addresses: ['10.0.0.2'], conditions: { ready: true } },
          {
            addresses: ['10.0.0.3'],
            conditions: { ready: false, serving: true, terminating: true },
          },
          { addresses: ['10.0.0.4'], conditions: { serving: true } },
        ],
      }),
    ])
    assert.deepEqual(endpoints(), ['10.0.0.1:8080', '10.0.0.2:8080', '10.0.0.4:8080'])
  })

  it('takes the targetPort when the slice lists no ports', () => {
    const { endpoints } = resolve([web, slice('web', { endpoints: [{ addresses: ['10.0.0.1'] }] })])
    assert.deepEqual(endpoints(), ['10.0.0.1:8080'])
  })

  it('works for a headless Service without selector', () => {
    const headless = service('web', { clusterIP: 'None', ports: [{ name: 'http', port: 80 }] })
    const { endpoints } = resolve([
      headless,
      slice('web', { ...webPort, endpoints: [{ addresses: ['10.0.0.1'] }] }),
    ])
    assert.deepEqual(endpoints(), ['10.0.0.1:8080'])
  })

  it('never takes slices of another namespace', () => {
    const { endpoints } = resolve([
      web,
      slice(
        'web',
        { ...webPort, endpoints: [{ addresses: ['10.0.0.1'] }] },
        { namespace: 'other' },
      ),
    ])
    assert.deepEqual(endpoints(), [])
  })

  it('tells a TCP port from a UDP port of the same number', () => {
    const dns = service('web', {
      ports: [
        { name: 'udp', port: 80, protocol: 'UDP' },
        { name: 'tcp', port: 80 },
      ],
    })
    const { endpoints } = resolve([
      dns,
      slice('web', {
        ports: [
          { name: 'udp', port: 1, protocol: 'UDP' },
          { name: 'tcp', port: 2 },
        ],
        endpoints: [{ addresses: ['10.0.0.1'] }],
      }),
    ])
    assert.deepEqual(endpoints(), ['10.0.0.1:2'])
  })

  it('has equal digests whatever the order of slices', () => {
    const [a, b] = ['10.0.0.1', '10.0.0.2'].map((address) => [{ addresses: [address] }])
    const targets = [
      [a, b],
      [b, a],
    ].map(
      ([first, second]) =>
        resolve([
          web,
          slice('web', { ...webPort, endpoints: first }),
          slice('web', { ...webPort, endpoints: second }, { name: 'second' }),
        ]).target,
    )
    assert.deepEqual(targets[0], targets[1])
  })
})

describe('a Service with an Endpoints object', () => {
  it('takes ready addresses with the port of the same name and merges subsets and slices', () => {
    const { endpoints: found } = resolve([
      web,
      endpoints('web', [
        {
          addresses: [{ ip: '10.0.0.1' }],
          notReadyAddresses: [{ ip: '10.0.0.9' }],
          ports: [{ name: 'http', port: 8081 }],
        },
        { addresses: [{ ip: '10.0.0.2' }], ports: [{ name: 'metrics', port: 9090 }] },
      ]),
      slice('web', { ...webPort, endpoints: [{ addresses: ['10.0.0.3'] }] }),
    ])
    assert.deepEqual(found(), ['10.0.0.1:8081', '10.0.0.3:8080'])
  })

  it('takes a numeric targetPort when the subset lists no ports, never a named one', () => {
    const subset = [{ addresses: [{ ip: '10.0.0.1' }] }]
    assert.deepEqual(resolve([web, endpoints('web', subset)]).endpoints(), ['10.0.0.1:8080'])
    const named = service('web', { ports: [{ port: 80, targetPort: 'http' }] })
    assert.deepEqual(resolve([named, endpoints('web', subset)]).endpoints(), [])
  })
})

describe('addresses', () => {
  it('allows loopback with one note for each object', () => {
    const { endpoints, findings } = resolve([
      web,
      slice('web', {
        ...webPort,
        endpoints: [{ addresses: ['127.0.0.1'] }, { addresses: ['127.0.0.2'] }],
      }),
    ])
    assert.deepEqual(endpoints(), ['127.0.0.1:8080', '127.0.0.2:8080'])
    assert.equal(findings.length, 1)
    assert.match(findings[0] ?? '', /^note portability EndpointSlice default\/web-1 endpoints: /)
  })

  const excluded: readonly (readonly [string, string])[] = [
    ['IPv4', '169.254.169.254'],
    ['IPv6', 'fd00:ec2::254'],
    ['IPv6', 'fe80::1'],
    ['IPv4', '0.0.0.0'],
    ['FQDN', '2852039166'],
  ]
  for (const [addressType, address] of excluded) {
    it(`leaves out ${address} of type ${addressType} with an error at its place`, () => {
      const { endpoints, problem, findings } = resolve([
        web,
        slice('web', { ...webPort, addressType, endpoints: [{ addresses: [address] }] }),
      ])
      assert.deepEqual(endpoints(), [])
      assert.equal(problem, undefined)
      assert.match(
        findings[0] ?? '',
        /^error address EndpointSlice default\/web-1 endpoints\[0\]\.addresses\[0\]: /,
      )
    })
  }
})

describe('a Service without endpoints', () => {
  const nobody: Readonly<Record<string, readonly [Manifest[], RegExp]>> = {
    'no slice at all': [[], /no EndpointSlice has the label kubernetes\.io\/service-name: web/],
    'no slice with the port': [
      [slice('web', { ports: [{ port: 8080 }], endpoints: [{ addresses: ['10.0.0.1'] }] })],
      /no EndpointSlice of it has a TCP port named http/,
    ],
    'nobody ready': [
      [
        slice('web', {
          ...webPort,
          endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: false } }],
        }),
      ],
      /none of its addresses is ready and allowed/,
    ],
  }
  for (const [what, [manifests, message]] of Object.entries(nobody)) {
    it(`resolves to an empty upstream and says why: ${what}`, () => {
      const { endpoints, problem, findings } = resolve([web, ...manifests])
      assert.deepEqual(endpoints(), [])
      assert.equal(problem, undefined)
      assert.equal(findings.length, 1)
      assert.match(findings[0] ?? '', /^warning reference Service default\/web : /)
      assert.match(findings[0] ?? '', message)
    })
  }
})
