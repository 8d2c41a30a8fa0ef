/** UDP of several Gateways on one port: a wildcard that joins an own address, and leaves it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ownAddress, startDaemon } from '../support/daemon.ts'
import { freeWildcardPort } from '../support/free-port.ts'
import {
  backendRef,
  gateway,
  type Manifest,
  udpListener,
  udpRoute,
  udpService,
  yaml,
} from '../support/manifests.ts'
import { UdpBackend, UdpClient } from '../support/udp-peers.ts'

describe('UDP of several Gateways', () => {
  for (const workers of [0, 2]) {
    it(`moves between sockets within a reload, --workers ${workers}`, async () => {
      const own = ownAddress()
      const port = await freeWildcardPort()
      const [inside, all] = [await UdpBackend.start('inside'), await UdpBackend.start('all')]
      const named = (name: string, addresses: unknown): readonly Manifest[] => [
        gateway([udpListener('udp', port)], { name, addresses }),
        udpRoute(name, [backendRef(name, 53)], { gateway: name }),
      ]
      const onOwn = named('inside', [{ value: own }])
      const both = [...onOwn, ...named('all', null)]
      const daemon = await startDaemon({
        workers,
        files: {
          'services.yaml': yaml(
            ...udpService('inside', 53, inside.port),
            ...udpService('all', 53, all.port),
          ),
          'gateways.yaml': yaml(...onOwn),
        },
      })
      const client = await UdpClient.open()
      let asked = 0
      const ask = async (address: string): Promise<string> => {
        asked += 1
        let answer = await client.askUntilAnswered(`${asked}`, port, address)
        // A question that was sent twice has two answers.
        while (!answer.text.endsWith(`:${asked}`)) answer = await client.receive()
        assert.equal(answer.from, `${address}:${port}`)
        return answer.text.split(':')[0] ?? ''
      }
      // More than once: which worker owns which bind differs.
      for (let round = 0; round < 4; round += 1) {
        assert.ok((await daemon.apply({ 'gateways.yaml': yaml(...both) })).applied)
        assert.deepEqual([await ask(own), await ask('127.0.0.1')], ['inside', 'all'])
        assert.ok((await daemon.apply({ 'gateways.yaml': yaml(...onOwn) })).applied)
        assert.equal(await ask(own), 'inside')
      }
      client.close()
      assert.equal(await daemon.stop(), 0)
      await inside.close()
      await all.close()
    })
  }
})
