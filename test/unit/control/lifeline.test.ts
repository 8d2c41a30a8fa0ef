/** The channel between the process whose pid is known and the one that serves. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { on, once } from 'node:events'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { StandIn } from '../../../src/control/lifeline.ts'

const ENTRY = join(import.meta.dirname, 'lifeline-end.ts')

interface Ends {
  readonly child: ChildProcess
  readonly channel: Socket
  readonly standIn: StandIn
  /** What the other end says next. */
  said(): Promise<string>
}

async function start(): Promise<Ends> {
  const stdio = ['ignore', 'inherit', 'inherit', 'ipc', 'pipe'] as const
  const child = spawn(process.execPath, [ENTRY], { stdio: [...stdio] })
  after(() => child.kill('SIGKILL'))
  const words = on(child, 'message')
  const said = async (): Promise<string> => String(((await words.next()).value as unknown[])[0])
  assert.equal(await said(), 'ready')
  const channel = child.stdio[4] as Socket
  return { child, channel, standIn: new StandIn(channel), said }
}

describe('the lifeline', () => {
  it('passes on what the pid is told, in order, and no other words', async () => {
    const { channel, standIn, said, child } = await start()
    channel.write('nonsense\n\n')
    for (const order of ['reload', 'reopen-logs', 'drain', 'exit'] as const) standIn.order(order)
    assert.deepEqual(
      [await said(), await said(), await said(), await said()],
      ['reload', 'reopen-logs', 'drain', 'exit 143'],
    )
    child.kill('SIGKILL')
    assert.equal(await standIn.ended, false)
  })

  it('tells a clean end from a crash', async () => {
    const clean = await start()
    clean.child.send('end')
    assert.equal(await clean.standIn.ended, true)
    const crashed = await start()
    crashed.child.kill('SIGKILL')
    assert.equal(await crashed.standIn.ended, false)
    // To nobody: no error that nobody hears.
    crashed.standIn.order('drain')
  })

  it('drains whoever serves when the pid is gone', async () => {
    const { channel, said, child } = await start()
    channel.destroy()
    assert.equal(await said(), 'drain')
    // Its last word is to nobody, and it ends.
    child.send('end')
    assert.deepEqual(await once(child, 'exit'), [0, null])
  })

  it('is of no concern any more to one that has handed over', async () => {
    const { standIn, said, child } = await start()
    child.send('leave')
    assert.equal(await said(), 'left')
    // It was the only holder. A successor would have its own.
    assert.equal(await standIn.ended, false)
    child.send('leave')
    assert.equal(await said(), 'left', 'no drain in between')
  })
})
