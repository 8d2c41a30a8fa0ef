/** Which backend a worker gets: what is asked for, what this Node has, what the log says. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { createIoBackend, findIoSupport } from '../../../src/data/io/choose.ts'
import { findNative, Native } from '../../../src/data/io/raw/native.ts'
import { testNative } from '../../../src/data/io/raw/self-test.ts'
import { TimerWheel } from '../../../src/data/timer-wheel.ts'
import { createLogger } from '../../../src/observe/log.ts'

type Binding = Readonly<Record<string, unknown>>
type Change = (binding: Binding) => Binding

/** Node's own bindings, changed on the way. */
function changed(changes: Readonly<Record<string, Change>>): Native | string {
  const { binding } = process as unknown as { binding(name: string): Binding }
  return findNative((name) => {
    const own = { ...binding.call(process, name) }
    return changes[name]?.(own) ?? own
  })
}

function without(part: string): Change {
  return (binding) => Object.fromEntries(Object.entries(binding).filter(([key]) => key !== part))
}

describe('raw sockets of this Node', () => {
  it('are there and pass their test', async () => {
    assert.ok((await findIoSupport()).raw instanceof Native)
  })

  it('are refused by the name of what is missing', () => {
    for (const part of ['TCP', 'TCPConnectWrap']) {
      assert.equal(changed({ tcp_wrap: without(part) }), `tcp_wrap.${part}`)
    }
    for (const part of ['WriteWrap', 'ShutdownWrap', 'streamBaseState', 'kLastWriteWasAsync']) {
      assert.equal(changed({ stream_wrap: without(part) }), `stream_wrap.${part}`)
    }
    class Bare {}
    const bare = changed({ tcp_wrap: (binding) => ({ ...binding, TCP: Bare }) })
    assert.equal(bare, 'TCP.prototype.readStart')
    const refused = findNative(() => {
      throw new Error('restricted')
    })
    assert.equal(refused, 'process.binding (restricted)')
  })

  it('are refused when they work in another way', async () => {
    const moved = changed({
      stream_wrap: (binding) => ({ ...binding, kReadBytesOrError: binding['kArrayBufferOffset'] }),
    })
    assert.ok(moved instanceof Native)
    assert.equal(await testNative(moved), 'read: read 0')
    const silent = changed({
      tcp_wrap: (binding) => {
        class Silent extends (binding['TCP'] as new (type: number) => object) {
          connect(): number {
            return 0
          }
        }
        return { ...binding, TCP: Silent }
      },
    })
    assert.ok(silent instanceof Native)
    assert.equal(await testNative(silent), 'connect: no answer in time')
  })
})

describe('the choice', () => {
  const wheel = new TimerWheel(systemClock)

  async function choose(mode: 'auto' | 'raw' | 'streams', missing?: string) {
    const lines: string[] = []
    const sink = { write: (line: string) => lines.push(line), dropped: 0 }
    const log = createLogger({ level: 'info', format: 'json', sink: sink as never })
    const support = missing === undefined ? await findIoSupport() : { raw: missing }
    const { name } = createIoBackend(mode, support, wheel, 65_536, log)
    const told = lines.map((line) => JSON.parse(line))
    return { name, told: told.map(({ level, missing: what }) => [level, what]) }
  }

  it('is what was asked for, or the fastest', async () => {
    assert.deepEqual(await choose('auto'), { name: 'raw', told: [] })
    assert.deepEqual(await choose('raw'), { name: 'raw', told: [] })
    assert.deepEqual(await choose('streams'), { name: 'streams', told: [] })
  })

  it('falls back to streams in one line that names what is missing', async () => {
    const what = 'stream_wrap.WriteWrap'
    const auto = await choose('auto', what)
    assert.deepEqual([auto.name, auto.told.map(([, missing]) => missing)], ['streams', [what]])
    const raw = await choose('raw', what)
    assert.deepEqual([raw.name, raw.told.map(([, missing]) => missing)], ['streams', [what]])
    assert.notDeepEqual(raw.told, auto.told, 'what was asked for is missed louder')
    assert.deepEqual(await choose('streams', what), { name: 'streams', told: [] })
  })
})
