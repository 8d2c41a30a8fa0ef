/**
 * Crash hunting: random HTTP/1.1 bytes and random HTTP/2 frames for a bounded time
 * (ATTACK_SECONDS, 3 by default). The daemon must survive, say nothing of defects, serve others
 * meanwhile, and give back memory and descriptors.
 */
import { once } from 'node:events'
import type net from 'node:net'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { resetSocket } from '../../src/data/io/relay-end.ts'
import { type FuzzRandom, seededRandom } from '../fuzz/random.ts'
import {
  connectHttp,
  connectTls,
  descriptorCount,
  GoodClients,
  residentMiB,
  startTarget,
  type Target,
} from '../support/attack.ts'
import { frame, getFields, PREFACE, SETTINGS } from '../support/h2-frames.ts'
import { until } from '../support/until.ts'

const MS = Number(process.env['ATTACK_SECONDS'] ?? 3) * 1000
const SEED = Number(process.env['ATTACK_SEED'] ?? Date.now() % 1_000_000)
/** Connections at a time. */
const WIDTH = 8

const PIECES = [
  'GET / HTTP/1.1\r\n',
  'POST /x HTTP/1.1\r\n',
  'CONNECT good.test:1 HTTP/1.1\r\n',
  'GET http://good.test/a HTTP/1.1\r\n',
  'OPTIONS * HTTP/1.1\r\n',
  'HEAD /h HTTP/1.0\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'Host: good.test\r\n',
  'Host: good.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n',
  'Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n',
  'Connection: close\r\n',
  'Connection: keep-alive, Host, \r\n',
  'Content-Length: 3\r\n',
  'Content-Length: 99999999999999999999\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Expect: 100-continue\r\n',
  'TE: trailers\r\nTrailer: x\r\n',
  '__proto__: x\r\nconstructor: y\r\n',
  `X: ${'y'.repeat(5000)}\r\n`,
  '\r\n',
  '\r\n',
  'abc',
  '3\r\nabc\r\n',
  'fffffffffffffff\r\n',
  '0\r\n\r\n',
  '0\r\nEtag: a\r\nEtag: b\r\n\r\n',
  '\0',
  '\n',
  '\xff\xfe',
]

describe(`random bytes, ATTACK_SEED=${SEED}`, () => {
  let target: Target

  before(async () => {
    // A small heap tells what is held from what was not collected yet.
    target = await startTarget({ env: { NODE_OPTIONS: '--max-old-space-size=64' } })
  })

  after(async () => {
    await target.stop()
  })

  /** Runs `attack` on many connections until time is up, with good clients beside it. */
  async function hunt(
    attack: (random: FuzzRandom, socket: net.Socket) => Promise<void>,
  ): Promise<void> {
    const end = Date.now() + MS
    const lane = async (number: number): Promise<void> => {
      for (let round = 0; Date.now() < end; round += 1) {
        const random = seededRandom(SEED + number + round * WIDTH)
        const secure = random.below(4) === 0
        const socket = secure
          ? connectTls(target, 'good.test', { ALPNProtocols: ['h2', 'http/1.1'] })
          : connectHttp(target)
        socket.resume()
        const limit = setTimeout(() => socket.destroy(), 1500)
        await attack(random, socket)
        clearTimeout(limit)
        if (random.below(2) === 0) socket.destroy()
        else if (secure) socket.destroy()
        // Not while its FIN is under way: Node would keep the handle, and this process never end.
        else resetSocket(socket)
      }
    }
    const rss = residentMiB(target)
    const descriptors = descriptorCount(target)
    await GoodClients.whileDoing(target, async () => {
      await Promise.all(Array.from({ length: WIDTH }, (_, number) => lane(number)))
    })
    await until(
      () => descriptorCount(target) <= descriptors + 4,
      () => 'descriptors kept',
    )
    await until(
      () => residentMiB(target) - rss < 160,
      () => `${residentMiB(target) - rss} MiB more`,
    )
  }

  it('HTTP/1.1 bytes', () =>
    hunt(async (random, socket) => {
      const count = 1 + random.below(14)
      for (let i = 0; i < count && !socket.destroyed; i += 1) {
        let piece = PIECES[random.below(PIECES.length)] ?? ''
        if (random.below(8) === 0) {
          const at = random.below(piece.length)
          piece = piece.slice(0, at) + String.fromCharCode(random.below(256)) + piece.slice(at + 1)
        }
        socket.write(piece, 'latin1')
        if (random.below(3) === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      if (random.below(3) === 0) socket.end()
      await Promise.race([delay(5 + random.below(30)), closed(socket)])
    }))

  it('HTTP/2 frames behind a valid preface', () =>
    hunt(async (random, socket) => {
      socket.write(PREFACE)
      socket.write(SETTINGS)
      let stream = 1
      const count = 1 + random.below(30)
      for (let i = 0; i < count && !socket.destroyed; i += 1) {
        const type = random.below(11)
        const flags = random.below(3) === 0 ? random.below(256) : [0, 1, 4, 5][random.below(4)]
        const id = random.below(3) === 0 ? random.below(12) : stream
        if (type === 1) stream += 2
        const payload =
          type === 1 && random.below(4) > 0
            ? getFields('good.test', random.below(3) === 0 ? '/' : '/x')
            : Buffer.from(
                Array.from({ length: payloadLength(type, random) }, () => random.below(256)),
              )
        socket.write(frame(type, flags ?? 0, id, payload))
        if (random.below(3) === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      await Promise.race([delay(5 + random.below(30)), closed(socket)])
    }))
})

/** Mostly what the type asks for, so that frames get further than the length check. */
function payloadLength(type: number, random: FuzzRandom): number {
  const usual = [random.below(200), random.below(80), 5, 4, 6 * random.below(4), 8, 8, 8, 4, 20, 3]
  return random.below(6) === 0 ? random.below(300) : (usual[type] ?? 0)
}

async function closed(socket: net.Socket): Promise<void> {
  if (!socket.destroyed) await once(socket, 'close').catch(() => {})
}
