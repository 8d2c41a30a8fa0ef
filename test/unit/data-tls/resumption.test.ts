/** Sessions resume inside a trust domain, every time, over renewals and workers. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DomainTicketKeys, TicketKeyRing } from '../../../src/data/tls/ticket-keys.ts'
import { canRenewTickets } from '../../../src/data/tls/ticket-probe.ts'
import { digestOf } from '../../../src/base/digest.ts'
import { openTlsDomains } from '../../../src/data/tls/domains.ts'
import type { TlsDomains } from '../../../src/data/tls/contract.ts'
import type { TicketRoot } from '../../../src/model/tls.ts'
import { Front, Material, terminate, visit } from '../../support/tls-domains.ts'

const OLD = root('00000001', 1)
const NEW = root('00000002', 2)
const CLIENT = { servername: 'a.test' } as const

describe('session resumption', () => {
  it('gives a client that uses each ticket once a resumed handshake every time', async (t) => {
    const material = new Material()
    const action = terminate('a', [await material.issue(['a.test'])])
    const domains = await openDomains([OLD])
    const front = await Front.open(
      t,
      domains.acquire(action, material.part, material.key),
      'a.test',
    )
    let { session } = await visit(front.port, CLIENT)
    assert.equal((await front.next()).facts?.resumed, false)
    for (let i = 0; i < 5; i++) {
      const seen = await visit(front.port, { ...CLIENT, ...offer(session) })
      assert.equal(seen.resumed, true)
      assert.equal((await front.next()).facts?.resumed, true)
      assert.notDeepEqual(seen.session, session)
      session = seen.session
    }
  })

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const options = { ...CLIENT, minVersion: version, maxVersion: version }

    it(`survives the renewal of the certificate, ${version}`, async (t) => {
      const material = new Material()
      const before = terminate('a', [await material.issue(['a.test'])])
      const after = terminate('a', [await material.issue(['a.test'])])
      const domains = await openDomains([OLD])
      const old = domains.acquire(before, material.part, material.key)
      const front = await Front.open(t, old, 'a.test')
      const first = await visit(front.port, options)
      front.termination = domains.acquire(after, material.part, material.key)
      old.release()
      const full = await visit(front.port, options)
      assert.notEqual(full.leaf?.fingerprint256, first.leaf?.fingerprint256)
      assert.equal((await visit(front.port, { ...options, ...offer(first.session) })).resumed, true)
    })

    it(`works in every worker that has the same roots, ${version}`, async (t) => {
      const material = new Material()
      const action = terminate('a', [await material.issue(['a.test'])])
      const [one, two, other] = [
        await openDomains([OLD]),
        await openDomains([OLD]),
        await openDomains([NEW]),
      ]
      const front = await Front.open(t, one.acquire(action, material.part, material.key), 'a.test')
      const { session } = await visit(front.port, options)
      front.termination = two.acquire(action, material.part, material.key)
      assert.equal((await visit(front.port, { ...options, ...offer(session) })).resumed, true)
      front.termination = other.acquire(action, material.part, material.key)
      assert.equal((await visit(front.port, { ...options, ...offer(session) })).resumed, false)
    })
  }

  it('takes tickets of an older root and answers with one of the newest', async (t) => {
    const material = new Material()
    const action = terminate('a', [await material.issue(['a.test'])])
    const domains = await openDomains([OLD])
    const front = await Front.open(
      t,
      domains.acquire(action, material.part, material.key),
      'a.test',
    )
    const { session } = await visit(front.port, CLIENT)
    domains.setTicketRoots([NEW, OLD])
    const renewed = await visit(front.port, { ...CLIENT, ...offer(session) })
    assert.equal(renewed.resumed, true)
    domains.setTicketRoots([NEW])
    assert.equal((await visit(front.port, { ...CLIENT, ...offer(renewed.session) })).resumed, true)
    assert.equal((await visit(front.port, { ...CLIENT, ...offer(session) })).resumed, false)
  })

  it('answers a ticket that was tampered with by a full handshake', async (t) => {
    const material = new Material()
    const action = terminate('a', [await material.issue(['a.test'])])
    const domains = await openDomains([OLD])
    const front = await Front.open(
      t,
      domains.acquire(action, material.part, material.key),
      'a.test',
    )
    const { session } = await visit(front.port, CLIENT)
    const name = offer(session).session.indexOf(Buffer.from(OLD.id, 'hex'))
    assert.notEqual(name, -1)
    // Inside the name, the IV, the encrypted state.
    for (const offset of [0, 5, 20, 40, 100]) {
      const forged = Buffer.from(offer(session).session)
      forged[name + offset] = (forged[name + offset] ?? 0) ^ 1
      assert.equal((await visit(front.port, { ...CLIENT, session: forged })).resumed, false)
    }
  })

  it('falls back to fixed ticket keys with one line of warning where renewal does not work', async (t) => {
    const material = new Material()
    const action = terminate('a', [await material.issue(['a.test'])])
    const warnings: string[] = []
    const domains = await openTlsDomains({
      warn: (message) => warnings.push(message),
      probe: async () => false,
    })
    assert.equal(warnings.length, 1)
    domains.setTicketRoots([OLD])
    const front = await Front.open(
      t,
      domains.acquire(action, material.part, material.key),
      'a.test',
    )
    const { session } = await visit(front.port, CLIENT)
    assert.equal((await visit(front.port, { ...CLIENT, ...offer(session) })).resumed, true)
    domains.setTicketRoots([NEW])
    assert.equal((await visit(front.port, { ...CLIENT, ...offer(session) })).resumed, false)
  })

  it('knows that the pinned Node can renew tickets', async () => {
    assert.equal(await canRenewTickets(), true)
  })
})

describe('ticket keys', () => {
  it('differ between domains and roots, and tell their root by name', () => {
    const ring = new TicketKeyRing()
    ring.setRoots([NEW, OLD])
    const [a, b] = ['a', 'b'].map((id) => new DomainTicketKeys(ring, digestOf(id)).current())
    const all = [...(a ?? []), ...(b ?? [])]
    assert.equal(all.length, 4)
    for (const part of ['name', 'hmac', 'aes'] as const) {
      assert.equal(new Set(all.map((keys) => keys[part].toString('hex'))).size, 4)
      assert.ok(all.every((keys) => keys[part].length === 16))
    }
    assert.deepEqual(
      a?.map(({ name }) => name.toString('hex', 0, 4)),
      [NEW.id, OLD.id],
    )
  })

  it('follow the roots, and never become none', () => {
    const ring = new TicketKeyRing()
    const keys = new DomainTicketKeys(ring, digestOf('a'))
    const random = keys.current()
    assert.equal(random.length, 1)
    ring.setRoots([])
    assert.deepEqual(keys.current(), random)
    ring.setRoots([NEW, OLD])
    assert.equal(keys.current().length, 2)
    assert.equal(keys.current(), keys.current())
  })
})

async function openDomains(roots: readonly TicketRoot[]): Promise<TlsDomains> {
  const domains = await openTlsDomains({ warn: (message) => assert.fail(message) })
  domains.setTicketRoots(roots)
  return domains
}

function root(id: string, fill: number): TicketRoot {
  return { id, secret: Buffer.alloc(32, fill).toString('base64') }
}

function offer(session: Buffer | undefined): { session: Buffer } {
  assert.ok(session, 'the server sent a ticket')
  return { session }
}
