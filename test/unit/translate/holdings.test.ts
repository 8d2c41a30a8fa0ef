import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DEFAULT_OPTIONS, type TranslateOptions } from '../../../src/translate/options.ts'
import { type Translation, translate } from '../../../src/translate/translate.ts'
import { createCertificateAuthority } from '../../../src/wire/issue-certificate.ts'
import { resourceSetOf } from '../../golden/load.ts'

describe('what is held', () => {
  it('stays with its Gateway when an older one wants the same port and name', () => {
    const first = run([gateway('b')])
    const second = run([gateway('a'), gateway('b')], first)
    assert.deepEqual(
      [accepted(second, 'a'), accepted(second, 'b')],
      ['PortUnavailable', 'Accepted'],
    )
    assert.equal(second.manifest.digest, first.manifest.digest)
  })

  it('stays closed, and is given to nobody, while a client CA is missing', async () => {
    const { certPem } = await createCertificateAuthority('clients')
    const before = run([validating('b'), authorities(certPem)])
    const without = run([secure('a', {}), validating('b')], before)
    assert.deepEqual(
      [accepted(without, 'a'), accepted(without, 'b')],
      ['PortUnavailable', 'NoValidCACertificate'],
    )
  })

  it('goes by age at a cold start', () => {
    const cold = run([gateway('a'), gateway('b')])
    assert.deepEqual([accepted(cold, 'a'), accepted(cold, 'b')], ['Accepted', 'PortUnavailable'])
  })

  it('is free once its Gateway is gone', () => {
    const conflicted = run([gateway('a'), gateway('b')], run([gateway('b')]))
    assert.equal(accepted(run([gateway('a')], conflicted), 'a'), 'Accepted')
  })

  it('is the place, not the listener: who moves takes nothing from the one that is there', () => {
    const before = run([gateway('a', { port: 81 }), gateway('b')])
    const moved = run([gateway('a'), gateway('b')], before)
    assert.deepEqual([accepted(moved, 'a'), accepted(moved, 'b')], ['PortUnavailable', 'Accepted'])
  })

  it('keeps a pool address, and gives that of a Gateway that is gone only when none is left', () => {
    const options = { addressPool: '127.10.0.0/30' }
    const one = run([gateway('a')], undefined, options)
    const two = run([gateway('a'), gateway('b')], one, options)
    assert.equal(address(two, 'a'), address(one, 'a'))
    assert.notEqual(address(two, 'b'), address(two, 'a'))
    const back = run([gateway('b')], two, options)
    assert.equal(address(run([gateway('a'), gateway('b')], back, options), 'a'), address(one, 'a'))
    const full = run([gateway('b'), gateway('c')], back, options)
    assert.equal(address(full, 'c'), address(one, 'a'))
    const tooMany = run([gateway('a'), gateway('b'), gateway('c')], full, options)
    assert.deepEqual(
      ['a', 'b', 'c'].map((name) => address(tooMany, name)),
      [undefined, address(two, 'b'), address(one, 'a')],
    )
  })
})

function run(
  texts: readonly string[],
  before?: Translation,
  options: Partial<TranslateOptions> = {},
): Translation {
  const holdings = before === undefined ? {} : { holdings: before.holdings }
  return translate(resourceSetOf(texts), { ...DEFAULT_OPTIONS, ...options, ...holdings })
}

function secure(name: string, frontend: object): string {
  return JSON.stringify({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name },
    spec: {
      gatewayClassName: 'gwproxy',
      tls: { frontend: { default: frontend } },
      listeners: [
        { name: 'https', port: 443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'c' }] } },
      ],
    },
  })
}

function validating(name: string): string {
  const ref = { group: '', kind: 'ConfigMap', name: 'clients' }
  return secure(name, { validation: { caCertificateRefs: [ref] } })
}

function authorities(caPem: string): string {
  const metadata = { name: 'clients' }
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata,
    data: { 'ca.crt': caPem },
  })
}

function gateway(name: string, { port = 80 } = {}): string {
  return JSON.stringify({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name },
    spec: { gatewayClassName: 'gwproxy', listeners: [{ name: 'http', port, protocol: 'HTTP' }] },
  })
}

function bodyOf({ statuses }: Translation, name: string) {
  const body = statuses.find(({ key }) => key.name === name)?.body
  assert.equal(body?.kind, 'gateway')
  return body
}

function accepted(translation: Translation, name: string): string | undefined {
  const [listener] = bodyOf(translation, name).listeners
  return listener?.conditions.find(({ type }) => type === 'Accepted')?.reason
}

function address(translation: Translation, name: string): string | undefined {
  return bodyOf(translation, name).addresses[0]?.value
}
