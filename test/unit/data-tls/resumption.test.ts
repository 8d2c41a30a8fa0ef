/** Sessions resume inside a trust domain, every time, over renewals and workers; never across. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openTlsDomains } from '../../../src/data/tls/domains.ts'
import type { TicketRoots } from '../../../src/model/tls.ts'
import { Front, Material, terminate, visit } from '../../support/tls-domains.ts'

const ROOTS: TicketRoots = [{ id: '00000001', secret: Buffer.alloc(32, 1).toString('base64') }]

async function openDomains() {
  const warnings: string[] = []
  const domains = await openTlsDomains({ warn: (message) => warnings.push(message) })
  assert.deepEqual(warnings, [])
  domains.setTicketRoots(ROOTS)
  return domains
}

describe('session resumption', () => {
  it('renews tickets, so that a client that uses each once resumes every time', async () => {
    const material = new Material()
    const domains = await openDomains()
    const action = terminate('a', [await material.issue(['a.test'])])
    await using front = await Front.open(domains.acquire(action, material.part, material.key), 'a.test')
    const options = { servername: 'a.test', minVersion: 'TLSv1.3' } as const
    let { session } = await visit(front.port, options)
    assert.equal((await front.next()).facts?.resumed, false)
    for (let i = 0; i < 5; i++) {
      assert.ok(session, 'each handshake brought a new ticket')
      const seen = await visit(front.port, { ...options, session })
      assert.equal(seen.resumed, true)
      assert.equal((await front.next()).facts?.resumed, true)
      session = seen.session
    }
  })
})
