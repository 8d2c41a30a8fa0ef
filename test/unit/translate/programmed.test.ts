import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bindKey } from '../../../src/model/identity.ts'
import type { BindResult, Condition, ObjectStatus } from '../../../src/model/status.ts'
import { DEFAULT_OPTIONS } from '../../../src/translate/options.ts'
import { applyBindResults } from '../../../src/translate/status/programmed.ts'
import { translate } from '../../../src/translate/translate.ts'
import { resourceSetOf } from '../../golden/load.ts'

const GATEWAY = JSON.stringify({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'gw' },
  spec: {
    gatewayClassName: 'gwproxy',
    addresses: [{ value: '192.0.2.1' }, { value: '127.0.0.9' }],
    listeners: [
      { name: 'http', port: 80, protocol: 'HTTP' },
      { name: 'alt', port: 8080, protocol: 'HTTP' },
      { name: 'bad', port: 81, protocol: 'INVALID' },
    ],
  },
})
const PORT_80 = bindKey('tcp', '192.0.2.1', 80)
const PORT_8080 = bindKey('tcp', '192.0.2.1', 8080)
/** The Gateway's other address, whose sockets open. */
const OTHERS = [80, 8080].map((port): BindResult => ({ bind: bindKey('tcp', '127.0.0.9', port) }))

describe('applyBindResults', () => {
  it('programs what is bound and leaves what is not accepted alone', () => {
    const status = apply({ bind: PORT_80 }, { bind: PORT_8080 })
    assert.deepEqual(
      [gateway(status), listener(status, 'http'), listener(status, 'bad')].map(short),
      ['True/Programmed', 'True/Programmed', 'False/Invalid'],
    )
  })

  it('stays pending until every worker answered', () => {
    const status = apply({ bind: PORT_80 })
    assert.deepEqual(
      [gateway(status), listener(status, 'http'), listener(status, 'alt')].map(short),
      ['Unknown/Pending', 'True/Programmed', 'Unknown/Pending'],
    )
  })

  it('keeps the Gateway programmed while one listener serves, and names who holds the port', () => {
    const status = apply({ bind: PORT_80, error: failure('EADDRINUSE') }, { bind: PORT_8080 })
    assert.equal(short(gateway(status)), 'True/Programmed')
    assert.equal(short(listener(status, 'http')), 'False/Invalid')
    assert.match(listener(status, 'http').message, /192\.0\.2\.1:80 \(EADDRINUSE\).*sport = :80/)
  })

  it('says what a low port needs: binary, unit setting and sysctl', () => {
    const { message } = listener(apply({ bind: PORT_80, error: failure('EACCES') }), 'http')
    for (const part of ['/opt/node', 'AmbientCapabilities', 'ip_unprivileged_port_start=80']) {
      assert.ok(message.includes(part), `${part} in ${message}`)
    }
  })

  it('makes an address that is not ours AddressNotUsable', () => {
    const error = failure('EADDRNOTAVAIL')
    const status = apply({ bind: PORT_80, error }, { bind: PORT_8080, error })
    assert.equal(short(gateway(status)), 'False/AddressNotUsable')
    assert.match(gateway(status).message, /the address 192\.0\.2\.1;/)
    assert.deepEqual(addresses(status), ['127.0.0.9'], 'the one that is bound')
    assert.equal(short(condition(status.body, 'Accepted')), 'True/ListenersNotValid')
  })

  it('names the missing address, whatever else fails', () => {
    const inUse = { bind: bindKey('tcp', '127.0.0.9', 80), error: failure('EADDRINUSE') }
    const status = apply(inUse, { bind: PORT_80, error: failure('EADDRNOTAVAIL') })
    assert.equal(short(gateway(status)), 'False/AddressNotUsable')
  })

  it('is not programmed when nothing could be bound, whatever the reason', () => {
    const status = apply(
      { bind: PORT_80, error: failure('EMFILE') },
      { bind: PORT_8080, error: failure('EADDRINUSE') },
    )
    assert.equal(short(gateway(status)), 'False/Invalid')
    assert.match(listener(status, 'http').message, /EMFILE/)
  })

  it('can be applied anew: a later success replaces an earlier failure', () => {
    const { statuses, pending } = translated()
    const failed = applyBindResults(statuses, pending, [
      ...OTHERS,
      { bind: PORT_80, error: failure('EADDRINUSE') },
      { bind: PORT_8080 },
    ])
    const [later] = applyBindResults(failed, pending, [
      ...OTHERS,
      { bind: PORT_80 },
      { bind: PORT_8080 },
    ])
    assert.ok(later)
    assert.equal(short(listener(later, 'http')), 'True/Programmed')
  })
})

function translated() {
  return translate(resourceSetOf([GATEWAY]), DEFAULT_OPTIONS)
}

function apply(...results: readonly BindResult[]): ObjectStatus {
  const { statuses, pending } = translated()
  const [status] = applyBindResults(statuses, pending, [...OTHERS, ...results], '/opt/node')
  assert.ok(status)
  return status
}

function failure(errno: string): NonNullable<BindResult['error']> {
  return { errno, message: `listen ${errno}` }
}

function addresses({ body }: ObjectStatus): readonly string[] {
  assert.equal(body.kind, 'gateway')
  return body.addresses.map(({ value }) => value)
}

function gateway({ body }: ObjectStatus): Condition {
  return condition(body, 'Programmed')
}

function listener({ body }: ObjectStatus, name: string): Condition {
  assert.equal(body.kind, 'gateway')
  const found = body.listeners.find((entry) => entry.name === name)
  assert.ok(found)
  return condition(found, 'Programmed')
}

function condition(holder: object, type: string): Condition {
  assert.ok('conditions' in holder && Array.isArray(holder.conditions))
  const found = (holder.conditions as readonly Condition[]).find((entry) => entry.type === type)
  assert.ok(found)
  return found
}

function short({ status, reason }: Condition): string {
  return `${status}/${reason}`
}
