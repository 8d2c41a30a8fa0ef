/** What the text of the example `sessions` promises. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { startHttpBackend } from '../../../demo/backends.ts'
import { curl } from '../command.ts'
import { serverOf } from './backends.ts'
import type { Closing, Example } from './example.ts'

export function sessions(): Example {
  const servers = new Map<string, Closing>()
  return {
    name: 'sessions',
    async backends({ backend, secondBackend }) {
      const one = await startHttpBackend('one', backend, 9000)
      const two = await startHttpBackend('two', secondBackend, 9000)
      servers.set('one', one).set('two', two)
      return [one, two]
    },
    async check({ address, directory }, [first, second, other, api]) {
      const own = serverOf(first?.stdout)
      assert.equal(serverOf(second?.stdout), own)
      assert.notEqual(serverOf(other?.stdout), own)
      const host = ['-H', 'Host: sessions.example.test']
      const ask = async (path: string, ...args: readonly string[]) => {
        const { stdout } = await curl([...host, ...args, `http://${address}:8080${path}`])
        return serverOf(stdout)
      }
      const token = /^x-cart-session: (\S+)/im.exec(api?.stdout ?? '')?.[1]
      const jar = join(directory, 'cookies')
      for (let n = 0; n < 4; n += 1) {
        const header = `X-Cart-Session: ${token}`
        assert.equal(await ask('/api', '-H', header), serverOf(api?.stdout))
        assert.equal(await ask('/', '-b', jar, '-c', jar), own)
      }
      await servers.get(own ?? '')?.close()
      const moved = await ask('/', '-b', jar, '-c', jar)
      assert.notEqual(moved, own)
      assert.equal(await ask('/', '-b', jar, '-c', jar), moved)
    },
  }
}
