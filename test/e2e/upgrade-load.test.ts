/** Upgrades and restarts under 500 requests a second: no request fails. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { UpgradeReport } from '../../src/control/admin/contract.ts'
import { bindTcp } from '../../src/control/bind-tcp.ts'
import { ownAddress, startDaemon } from '../support/daemon.ts'
import {
  assertUnharmed,
  HTTP,
  loadOn,
  type LoadedWorld,
  makeLoadedWorld,
  TLS,
} from '../support/loaded-world.ts'
import { isGone } from '../support/processes.ts'
import { until } from '../support/until.ts'

/** Of each, with 0 and with 2 workers: 20 and 20. */
const TIMES = 10
/** Requests of each kind, of the rarest every 20 ms: some while each of them lasts. */
const LEAST = 5 * TIMES

for (const workers of [0, 2]) {
  describe(`under 500 requests/s with --workers ${workers}`, () => {
    let world: LoadedWorld
    before(async () => {
      world = await makeLoadedWorld()
    })
    after(() => world.close())

    it(`${TIMES} upgrades fail no request`, { timeout: 120_000 }, async (t) => {
      const daemon = await startDaemon({ workers, files: world.files })
      const load = loadOn(daemon.address, world)
      const pids = new Set([daemon.pid])
      const durations: number[] = []
      for (let time = 0; time < TIMES; time++) {
        const { pid, durationMs } = await daemon.admin.post<UpgradeReport>('/upgrade')
        pids.add(pid)
        durations.push(Math.round(durationMs))
      }
      t.diagnostic(assertUnharmed(await load.stop(), LEAST))
      t.diagnostic(`milliseconds for each: ${durations.join(', ')}`)
      assert.equal(pids.size, TIMES + 1)
      // The first stays, the last serves, those between have ended.
      const [first = 0, ...later] = pids
      const last = later.pop() ?? 0
      await until(() => later.every(isGone))
      assert.deepEqual([isGone(first), isGone(last)], [false, false])
      assert.equal(await daemon.stop(), 0)
      await until(() => isGone(last))
    })

    it(`${TIMES} restarts with sockets of systemd fail no request`, {
      timeout: 120_000,
    }, async (t) => {
      const address = ownAddress()
      const passed = [HTTP, TLS].map((port) => {
        const bound = bindTcp(address, port)
        assert.ok(bound.kind === 'bound')
        after(() => bound.handle.close())
        return bound.handle.fd
      })
      const files = { 'all.yaml': (world.files['all.yaml'] ?? '').replaceAll('{address}', address) }
      const start = () => startDaemon({ workers, files, passed })
      let daemon = await start()
      const load = loadOn(address, world)
      for (let time = 0; time < TIMES; time++) {
        assert.equal(await daemon.stop(), 0)
        daemon = await start()
        // What waited in the kernel meanwhile: otherwise it would wait for one restart after another.
        await load.caughtUp()
      }
      t.diagnostic(assertUnharmed(await load.stop(), LEAST))
      assert.equal(await daemon.stop(), 0)
    })
  })
}
