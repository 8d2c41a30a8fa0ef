/** The admin interface goes to another process: whoever has connected already is answered. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { AdminAddress, TcpAddress } from '../../../src/control/admin/address.ts'
import { AdminClient } from '../../../src/control/admin/client.ts'
import type { AdminPorts } from '../../../src/control/admin/endpoints.ts'
import { AdminServers } from '../../../src/control/admin/servers.ts'
import { freeWildcardPort } from '../../support/free-port.ts'
import { recordingLog } from './fixtures.ts'

const scratch = mkdtempSync(join(tmpdir(), 'gwproxy-admin-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

/** `/livez` asks for nothing of them. */
const PORTS = { plane: {}, statusStore: {} } as unknown as AdminPorts

async function open(admin: AdminAddress): Promise<AdminServers> {
  const options = { admin, adminToken: undefined, metrics: { kind: 'off' } as const }
  const servers = new AdminServers(options, PORTS, recordingLog().log)
  await servers.open()
  return servers
}

describe('the admin interface, given away', () => {
  const path = join(scratch, 'admin.sock')
  const addresses: readonly (readonly [string, () => Promise<AdminAddress>])[] = [
    ['a unix socket', async () => ({ kind: 'unix', path })],
    [
      'TCP',
      async (): Promise<TcpAddress> => ({
        kind: 'tcp',
        host: '127.0.0.1',
        port: await freeWildcardPort(),
      }),
    ],
  ]
  for (const [name, addressOf] of addresses) {
    it(`answers whoever waits in the queue of ${name}`, async () => {
      const address = await addressOf()
      const servers = await open(address)
      const client = new AdminClient(address)
      const asked = Array.from({ length: 20 }, () => client.get('/livez'))
      for (const one of asked) one.catch(() => undefined)
      // In this turn of the loop: the kernel has them, and nobody has accepted them.
      for (let tick = 0; tick < 3; tick += 1) {
        await new Promise<void>((resolve) => process.nextTick(resolve))
      }
      await servers.handOver()
      assert.equal(existsSync(path), false)
      await assert.rejects(client.get('/livez'), { message: /^no gwproxy answers/ })
      for (const answer of await Promise.all(asked)) assert.deepEqual(answer, { state: 'alive' })
      servers.closeAll()
    })
  }
})
