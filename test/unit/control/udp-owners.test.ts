/** Each UDP bind has one owner, who keeps it while it lives. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UdpOwners } from '../../../src/control/udp-owners.ts'
import { bindKey } from '../../../src/model/identity.ts'

const A = bindKey('udp', '::', 53)
const B = bindKey('udp', '::', 514)
const nobodyHolds = (): boolean => false

describe('owners of UDP binds', () => {
  it('are the workers with the fewest, and stay', () => {
    const owners = new UdpOwners()
    owners.assign([A], [0, 1], nobodyHolds)
    owners.assign([A, B], [0, 1], nobodyHolds)
    owners.assign([A, B], [0, 1, 2], nobodyHolds)
    assert.ok(owners.isOwner(0, A) && owners.isOwner(1, B))
    assert.ok(!owners.isOwner(1, A) && !owners.isOwner(2, A))
  })

  it('wait for a worker', () => {
    const owners = new UdpOwners()
    owners.assign([A], [], nobodyHolds)
    assert.ok(!owners.isOwner(0, A))
    owners.assign([A], [3], nobodyHolds)
    assert.ok(owners.isOwner(3, A))
  })

  it('are replaced when they are gone', () => {
    const owners = new UdpOwners()
    owners.assign([A], [0, 1], nobodyHolds)
    assert.ok(!owners.left(1))
    assert.ok(owners.left(0))
    owners.assign([A], [1], nobodyHolds)
    assert.ok(owners.isOwner(1, A))
  })

  it('are kept over a time without the bind, until they let go of it', () => {
    const owners = new UdpOwners()
    owners.assign([A, B], [0, 1], nobodyHolds)
    owners.assign([B], [0, 1, 2], (slot) => slot === 0)
    owners.assign([A, B], [0, 1, 2], nobodyHolds)
    assert.ok(owners.isOwner(0, A), 'nobody else could open its port yet')
    owners.assign([B], [0, 1, 2], nobodyHolds)
    owners.assign([A, B], [1, 2], nobodyHolds)
    assert.ok(owners.isOwner(2, A))
  })
})
