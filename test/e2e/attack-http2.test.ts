/**
 * HTTP/2 as an attack (security guide 2.3): floods, resets, header bombs, zero windows. In each case
 * the connection or stream ends soon, memory stays bounded and good clients notice nothing.
 */
import assert from 'node:assert/strict'
import type net from 'node:net'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import {
  connectHttp,
  connectTls,
  descriptorCount,
  GoodClients,
  plainOrigin,
  residentMiB,
  startTarget,
  type Target,
} from '../support/attack.ts'
import { connectH2 } from '../support/h2-client.ts'
import {
  END_HEADERS,
  END_STREAM,
  FRAME,
  frame,
  getFields,
  indexed,
  PREFACE,
  SETTINGS,
  setting,
  uint32,
} from '../support/h2-frames.ts'
import { type Origin, startOrigin } from '../support/http-origin.ts'
import { until } from '../support/until.ts'

const LARGE = Buffer.alloc(1 << 20, 'x')
/** RFC 9113 section 6.5.2 */
const INITIAL_WINDOW_SIZE = 4

describe('HTTP/2 attacks', () => {
  let served = 0
  let origin: Origin
  let target: Target

  before(async () => {
    origin = await startOrigin((request, response) => {
      served += 1
      if (request.url === '/held') return
      if (request.url === '/large') response.end(LARGE)
      else setTimeout(() => response.end('x'), 20)
    })
    target = await startTarget({ http: { evil: origin } })
  })

  after(async () => {
    await target.stop()
    origin[Symbol.dispose]()
  })

  /** Opens a connection, lets `flood` write as long as it lives, and watches the cost. */
  async function attack(
    flood: (socket: net.Socket, round: number) => void,
    connect: () => net.Socket = () => connectHttp(target),
  ): Promise<void> {
    const before = residentMiB(target)
    let peak = 0
    await GoodClients.whileDoing(target, async () => {
      const socket = connect()
      socket.resume()
      socket.write(PREFACE)
      socket.write(SETTINGS)
      const end = Date.now() + 5000
      for (let round = 0; !socket.destroyed && Date.now() < end; round += 1) {
        flood(socket, round)
        peak = Math.max(peak, residentMiB(target))
        if (socket.writableNeedDrain) await Promise.race([drained(socket), closed(socket)])
        else await new Promise((resolve) => setImmediate(resolve))
      }
      assert.ok(socket.destroyed, 'the connection was closed')
    })
    assert.ok(peak - before < 96, `${peak - before} MiB more`)
  }

  const get = (id: number, path = '/') =>
    frame(FRAME.headers, END_HEADERS | END_STREAM, id, getFields('evil.test', path))

  it('CONTINUATION without end', () =>
    attack((socket, round) => {
      if (round === 0) socket.write(frame(FRAME.headers, 0, 1, getFields('evil.test', '/')))
      for (let i = 0; i < 50; i += 1) {
        socket.write(frame(FRAME.continuation, 0, 1, indexed(`x-${i}`, 'y'.repeat(1000))))
      }
    }))

  it('empty CONTINUATION without end', () =>
    attack((socket, round) => {
      if (round === 0) socket.write(frame(FRAME.headers, 0, 1, getFields('evil.test', '/')))
      for (let i = 0; i < 500; i += 1)
        socket.write(frame(FRAME.continuation, 0, 1, Buffer.alloc(0)))
    }))

  it('SETTINGS that are never acknowledged to us', () =>
    attack((socket) => {
      for (let i = 0; i < 200; i += 1) socket.write(setting(INITIAL_WINDOW_SIZE, 65_535))
      socket.pause()
    }))

  it('PING whose answers are never read', () =>
    attack((socket) => {
      for (let i = 0; i < 500; i += 1) socket.write(frame(FRAME.ping, 0, 0, Buffer.alloc(8)))
      socket.pause()
    }))

  // After it: http2-floods.
  it('empty DATA without end, before the answer', () =>
    attack((socket, round) => {
      if (round === 0) {
        socket.write(frame(FRAME.headers, END_HEADERS, 1, getFields('evil.test', '/held')))
      }
      for (let i = 0; i < 500; i += 1) socket.write(frame(FRAME.data, 0, 1, Buffer.alloc(0)))
    }))

  // What nghttp2 counts not at all: the guard sees it by the bytes of the socket.
  const connects: Readonly<Record<string, () => net.Socket>> = {
    cleartext: () => connectHttp(target),
    TLS: () => connectTls(target, 'evil.test', { ALPNProtocols: ['h2'] }),
  }
  for (const [name, connect] of Object.entries(connects)) {
    it(`WINDOW_UPDATE without end, over ${name}`, () =>
      attack((socket) => {
        for (let i = 0; i < 500; i += 1) socket.write(frame(FRAME.windowUpdate, 0, 0, uint32(1)))
      }, connect))
  }

  it('resets by the client, with CANCEL and with NO_ERROR, cost few upstream requests', async () => {
    for (const code of [8, 0]) {
      served = 0
      await attack((socket, round) => {
        for (let i = 0; i < 40; i += 1) {
          const id = (round * 40 + i) * 2 + 1
          socket.write(get(id))
          // The first reach the upstream before they are reset.
          if (i % 2 === 0) socket.write(frame(FRAME.rstStream, 0, id, uint32(code)))
          else setTimeout(() => socket.write(frame(FRAME.rstStream, 0, id, uint32(code))), 5)
        }
      })
      assert.ok(served <= 200, `${served} upstream requests`)
    }
  })

  it('resets that the client provokes cost few upstream requests', async () => {
    served = 0
    await attack((socket, round) => {
      for (let i = 0; i < 40; i += 1) {
        const id = (round * 40 + i) * 2 + 1
        socket.write(get(id))
        setTimeout(() => socket.write(frame(FRAME.windowUpdate, 0, id, uint32(0))), 5)
      }
    })
    assert.ok(served <= 200, `${served} upstream requests`)
  })

  it('a header bomb of cookie crumbs is refused stream by stream', async () => {
    const before = residentMiB(target)
    await GoodClients.whileDoing(target, async () => {
      const socket = connectHttp(target)
      socket.resume()
      socket.write(PREFACE)
      socket.write(setting(INITIAL_WINDOW_SIZE, 0))
      const crumb = indexed('cookie', 'c'.repeat(3900))
      // The first stream puts the crumb in the dynamic table; the others repeat it by one byte.
      const first = Buffer.concat([getFields('evil.test', '/'), crumb])
      socket.write(frame(FRAME.headers, END_HEADERS | END_STREAM, 1, first))
      for (let id = 3; id < 400 && !socket.destroyed; id += 2) {
        const block = Buffer.concat([getFields('evil.test', '/'), Buffer.alloc(12_000, 0xbe)])
        socket.write(frame(FRAME.headers, END_HEADERS | END_STREAM, id, block))
        await delay(1)
      }
      await until(() => residentMiB(target) - before < 96)
      socket.destroy()
    })
  })

  it('zero windows hold back no more than a few chunks a stream', async () => {
    const before = residentMiB(target)
    await GoodClients.whileDoing(target, async () => {
      const socket = connectHttp(target)
      socket.resume()
      socket.write(PREFACE)
      socket.write(setting(INITIAL_WINDOW_SIZE, 0))
      for (let id = 1; id < 200; id += 2) socket.write(get(id, '/large'))
      await delay(1000)
      await until(
        () => residentMiB(target) - before < 64,
        () => `${residentMiB(target) - before} MiB for 100 stalled streams`,
      )
      socket.destroy()
    })
  })

  it('large windows of a client that reads nothing hold back no more than that', async () => {
    const before = residentMiB(target)
    await GoodClients.whileDoing(target, async () => {
      const sockets = Array.from({ length: 3 }, () => connectHttp(target))
      for (const socket of sockets) {
        socket.pause()
        socket.write(PREFACE)
        socket.write(setting(INITIAL_WINDOW_SIZE, 2 ** 31 - 1))
        socket.write(frame(FRAME.windowUpdate, 0, 0, uint32(2 ** 31 - 1 - 65_535)))
        for (let id = 1; id < 200; id += 2) socket.write(get(id, '/large'))
      }
      await delay(1000)
      await until(
        () => residentMiB(target) - before < 96,
        () => `${residentMiB(target) - before} MiB for 3 connections`,
      )
      for (const socket of sockets) socket.destroy()
    })
  })

  it('a client that just closes is forgotten at once', async () => {
    const before = descriptorCount(target)
    for (let i = 0; i < 20; i += 1) {
      const session = await connectH2(plainOrigin(target))
      session.socket.destroy()
      const socket = connectHttp(target)
      // A frame that makes the session fail, then a FIN.
      socket.write(Buffer.concat([PREFACE, SETTINGS, frame(10, 1, 10, Buffer.alloc(3, 1))]))
      await Promise.race([new Promise((resolve) => socket.once('data', resolve)), closed(socket)])
      socket.destroy()
    }
    await until(
      () => descriptorCount(target) <= before + 3,
      () => `${descriptorCount(target)} from ${before}`,
    )
  })
})

async function closed(socket: net.Socket): Promise<void> {
  if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve))
}

/** events.once would reject when the socket is reset meanwhile: that is what is waited for. */
async function drained(socket: net.Socket): Promise<void> {
  await new Promise<void>((resolve) => socket.once('drain', resolve))
}
