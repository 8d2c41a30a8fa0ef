/** Which backend a worker gets: what is asked for, what this Node has, what the log says. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { describe, it } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { createIoBackend, findIoSupport, type IoSupport } from '../../../src/data/io/choose.ts'
import { type Addon, loadAddon, type RelayHandle } from '../../../src/data/io/native/addon.ts'
import { testAddon } from '../../../src/data/io/native/self-test.ts'
import { findNative, Native, readTo } from '../../../src/data/io/raw/native.ts'
import { testNative } from '../../../src/data/io/raw/self-test.ts'
import type { IoMode } from '../../../src/ipc/messages.ts'
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
          // Of a socket that there is none of.
          readStart(): number {
            return 0
          }
        }
        return { ...binding, TCP: Silent }
      },
    })
    assert.ok(silent instanceof Native)
    assert.equal(await testNative(silent), 'connect: no answer in time')
    const late = changed({
      tcp_wrap: (binding) => {
        class Late extends (binding['TCP'] as new (type: number) => object) {
          connect(): number {
            return 0
          }
        }
        return { ...binding, TCP: Late }
      },
    })
    assert.ok(late instanceof Native)
    // Reads are asked for before the connect is over.
    assert.equal(await testNative(late), 'connect: ENOTCONN')
  })
})

describe('a reader of a handle', () => {
  it('takes the place that Node keeps for an owner, so that no property is added', () => {
    const native = findNative()
    assert.ok(native instanceof Native)
    const handle = native.createSocket()
    const before = Reflect.ownKeys(handle)
    const reader = { onRead: () => {} }
    readTo(handle, reader)
    assert.deepEqual(Reflect.ownKeys(handle), before)
    assert.ok(Reflect.ownKeys(handle).some((key) => Reflect.get(handle, key) === reader))
    handle.close()
  })
})

describe('the addon', () => {
  it('may be missing, and is refused by name when it is something else', () => {
    assert.equal(typeof loadAddon('/nowhere/relay.node'), 'string')
    const other = loadAddon(import.meta.filename)
    assert.ok(typeof other === 'string' && other.startsWith(import.meta.filename))
  })

  it('is refused when it accepts nothing, whether clients are kept waiting or refused', async () => {
    let holder: ChildProcess | undefined
    const refusing: Addon = {
      interface: 1,
      open: () => ({}) as RelayHandle,
      close: () => holder?.kill('SIGKILL'),
      hold: () => {},
      listen: () => 0,
      unlisten: () => {},
      peek: () => {},
      connect: () => 0,
      take: () => -1,
      cut: () => {},
      bytes: () => 0,
    }
    assert.match((await testAddon(refusing)) ?? '', /ECONNREFUSED/)
    // A process that keeps the socket open, and accepts nothing.
    const silent: Addon = {
      ...refusing,
      listen: (_relay, fd) => {
        holder = spawn('sleep', ['60'], { stdio: [fd, 'ignore', 'ignore'] })
        return 0
      },
    }
    assert.equal(await testAddon(silent), 'no answer in time')
  })
})

describe('the choice', () => {
  const wheel = new TimerWheel(systemClock)

  async function choose(mode: IoMode, missing: Partial<IoSupport>) {
    const lines: string[] = []
    const sink = { write: (line: string) => lines.push(line), dropped: 0 }
    const log = createLogger({ level: 'info', format: 'json', sink: sink as never })
    const support = { ...(await findIoSupport()), native: undefined, ...missing }
    const { name } = createIoBackend(mode, support, wheel, 65_536, log)
    const told = lines.map((line) => JSON.parse(line))
    return { name, told: told.map(({ level, missing: what }) => [level, what]) }
  }

  it('is what was asked for, or the fastest; an addon that was not built is not missed', async () => {
    assert.deepEqual(await choose('auto', {}), { name: 'raw', told: [] })
    assert.deepEqual(await choose('raw', {}), { name: 'raw', told: [] })
    assert.deepEqual(await choose('streams', {}), { name: 'streams', told: [] })
  })

  it('falls back in one line each that names what is missing', async () => {
    const raw = 'stream_wrap.WriteWrap'
    const native = 'relay.node: built for another version'
    const auto = await choose('auto', { raw })
    assert.deepEqual([auto.name, auto.told.map(([, missing]) => missing)], ['streams', [raw]])
    const forced = await choose('raw', { raw })
    assert.deepEqual([forced.name, forced.told.map(([, missing]) => missing)], ['streams', [raw]])
    assert.notDeepEqual(forced.told, auto.told, 'what was asked for is missed louder')
    assert.deepEqual(await choose('streams', { raw }), { name: 'streams', told: [] })
    const broken = await choose('auto', { native })
    assert.deepEqual([broken.name, broken.told.map(([, missing]) => missing)], ['raw', [native]])
    const both = await choose('native', { native, raw })
    assert.deepEqual(
      both.told.map(([, missing]) => missing),
      [native, raw],
    )
    const unbuilt = await choose('native', {})
    assert.deepEqual([unbuilt.name, unbuilt.told.length], ['raw', 1])
  })
})
