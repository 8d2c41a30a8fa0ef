/**
 * Attacks on routing, headers and connection reuse over HTTP/1.1 and HTTP/2 (security guide 2.4,
 * 2.5): who may say who the client is, ambiguous paths, pipelines, and other people's answers.
 */
import assert from 'node:assert/strict'
import type net from 'node:net'
import { after, before, describe, it } from 'node:test'
import {
  connectHttp,
  exchangeBytes,
  GoodClients,
  plainOrigin,
  startTarget,
  type Target,
  transcript,
} from '../support/attack.ts'
import { connectH2, h2Request } from '../support/h2-client.ts'
import { type Origin, startTcpOrigin } from '../support/http-origin.ts'
import { type RecordingOrigin, startRecordingOrigin } from '../support/recording-origin.ts'

const HOST = 'Host: rec.test\r\n'

describe('HTTP attacks', () => {
  let recording: RecordingOrigin
  let odd: Origin
  let target: Target
  /** What the odd origin does with its next request. */
  let answer: (socket: net.Socket) => void = () => {}

  before(async () => {
    recording = await startRecordingOrigin()
    odd = await startTcpOrigin((socket) => socket.on('data', () => answer(socket)))
    target = await startTarget({ http: { rec: recording, odd } })
  })

  after(async () => {
    await target.stop()
    recording.close()
    odd[Symbol.dispose]()
  })

  /** The head that reached the origin. */
  async function headOf(send: () => Promise<unknown>): Promise<string> {
    recording.heads.length = 0
    await send()
    return recording.heads.at(-1) ?? ''
  }

  const FORGED = [
    ['X-Forwarded-For', '6.6.6.6'],
    ['x-forwarded-for', '6.6.6.6'],
    ['X_Forwarded_For', '6.6.6.6'],
    ['x_forwarded-for', '6.6.6.6'],
    ['X-Forwarded-Proto', 'evil'],
    ['X-Forwarded-Host', '6.6.6.6'],
    ['X-Forwarded-Port', '666'],
    ['X-Forwarded-Client-Cert', 'By=6.6.6.6'],
    ['X-Real-IP', '6.6.6.6'],
    ['x_real_ip', '6.6.6.6'],
    ['Forwarded', 'for=6.6.6.6'],
    ['X-Envoy-External-Address', '6.6.6.6'],
    ['x_envoy_internal', 'evil'],
  ] as const

  it('nobody forges who the client is, in any spelling, twice, or by nomination', async () => {
    const lines = FORGED.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    const names = FORGED.map(([name]) => name).join(', ')
    for (const more of ['', lines, `Connection: ${names}, X-Forwarded-For\r\n`]) {
      const head = await headOf(() =>
        exchangeBytes(target, `GET / HTTP/1.1\r\n${HOST}${lines}${more}Connection: close\r\n\r\n`),
      )
      assert.doesNotMatch(head, /6\.6\.6\.6|evil|\b666\b/)
      assert.equal(head.match(/^x[-_]forwarded[-_]for: 127\.0\.0\.1$/gim)?.length, 1, head)
    }
    const session = await connectH2(plainOrigin(target))
    const fields = Object.fromEntries(FORGED.map(([name, value]) => [name.toLowerCase(), value]))
    const head = await headOf(() =>
      h2Request(session, { ':path': '/', ':authority': 'rec.test', ...fields }),
    )
    session.destroy()
    assert.doesNotMatch(head, /6\.6\.6\.6|evil|\b666\b/)
    assert.match(head, /^x-forwarded-for: 127\.0\.0\.1$/im)
  })

  it('ambiguous paths are refused and reach nobody', async () => {
    const paths = [
      '/a/../b /./a /a/.. /%2e%2e/a /a/%2E%2e%2fb /a%2fb /a%5cb /a\\b /a%00b /%zz /%e0%80%af',
      '/a/..;/b /a/..%3bx/b //../a /a#b',
    ].flatMap((line) => line.split(' '))
    recording.take()
    const session = await connectH2(plainOrigin(target))
    for (const path of paths) {
      const request = `GET ${path} HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`
      assert.match(await exchangeBytes(target, request), /^HTTP\/1\.1 400 /, path)
      const { status, rstCode } = await h2Request(session, {
        ':path': path,
        ':authority': 'rec.test',
      })
      assert.ok(status === 400 || rstCode !== 0, `${path}: ${status}`)
    }
    session.destroy()
    assert.deepEqual(recording.take(), [])
  })

  it('an unreadable request behind good ones leaves them their answers', () =>
    GoodClients.whileDoing(target, async () => {
      answer = (socket) => {
        setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine'), 100)
      }
      const good = 'GET /1 HTTP/1.1\r\nHost: odd.test\r\n\r\n'
      const cases: readonly (readonly [string, string[]])[] = [
        [`${good}BROKEN\r\n\r\n`, ['200', '400']],
        [`${good}${good}GET / HTTP/1.1\nHost: x\n\n`, ['200', '200', '400']],
        [
          `${good}POST / HTTP/1.1\r\nHost: odd.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
          ['200', '400'],
        ],
      ]
      for (const [bytes, statuses] of cases) {
        const text = await exchangeBytes(target, bytes)
        const seen = [...text.matchAll(/HTTP\/1\.1 ([0-9]+) /g)].map(([, status]) => status)
        assert.deepEqual(seen, statuses, text)
      }
    }))

  it('bytes that an idle upstream connection sends unasked are nobody’s answer', () =>
    GoodClients.whileDoing(target, async () => {
      const poison = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'
      const request = 'GET / HTTP/1.1\r\nHost: odd.test\r\nConnection: close\r\n\r\n'
      for (let i = 0; i < 10; i += 1) {
        const closed = Promise.withResolvers<unknown>()
        answer = (socket) => {
          socket.once('close', closed.resolve)
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine')
          if (i % 2 === 0) socket.write(poison)
          else setTimeout(() => socket.write(poison), 5)
        }
        assert.match(await exchangeBytes(target, request), /\r\n\r\nmine$/)
        // Such a connection is not used again.
        await closed.promise
      }
    }))

  it('requests that only look like others are refused over HTTP/2 as well', async () => {
    recording.take()
    const session = await connectH2(plainOrigin(target))
    const base = { ':path': '/', ':authority': 'rec.test' }
    for (const fields of [
      { ...base, host: 'other.test' },
      { ...base, ':authority': 'rec.test, other.test' },
      { ...base, ':authority': 'user@rec.test' },
      { ...base, ':path': '*' },
      { ...base, ':method': 'TRACE' },
      { ...base, ':scheme': 'https' },
      { ...base, content_length: '3' },
    ]) {
      const { status, rstCode } = await h2Request(session, fields)
      assert.ok(status >= 400 || rstCode !== 0, `${JSON.stringify(fields)}: ${status}`)
    }
    session.destroy()
    assert.deepEqual(recording.take(), [])
  })

  it('a log line holds no control character, however hostile the request', async () => {
    const agent = `User-Agent: \x1b[31m"${'\xff'.repeat(5000)}\t\r\n`
    const client = connectHttp(target)
    const text = transcript(client)
    client.write(`GET /logged HTTP/1.1\r\n${HOST}${agent}\r\n`, 'latin1')
    assert.match(await text, /^HTTP\/1\.1 400 /)
    for (const line of target.daemon.lines) {
      assert.equal(line['text'], undefined, 'every line is JSON')
      assert.ok(JSON.stringify(line).length < 6000)
    }
  })
})
