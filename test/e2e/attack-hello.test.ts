/**
 * ClientHello attacks on the real daemon (security guide 2.1): hellos in any cut arrive as one, wrong
 * ones are closed without a byte, slow ones at the total deadline, and no session of one listener
 * opens another.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type net from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  connectTls,
  connectTlsPort,
  GoodClients,
  startTarget,
  type Target,
} from '../support/attack.ts'
import {
  alpn,
  helloMessage,
  hostEntry,
  realHello,
  record,
  records,
  serverName,
  vector,
} from '../support/client-hello.ts'
import { command } from '../support/command.ts'

/** The handshake's total deadline and the tick of the wheel that watches it. */
const DEADLINE_MS = 10_000
const SLACK_MS = 1000

describe('ClientHello attacks', () => {
  let target: Target

  before(async () => {
    target = await startTarget()
  })

  after(async () => {
    await target.stop()
  })

  /** The first bytes that come back: a ServerHello record, or nothing. */
  async function firstBytes(send: (socket: net.Socket) => Promise<void> | void): Promise<Buffer> {
    const socket = connectTlsPort(target)
    const answered = new Promise<Buffer>((resolve) => {
      socket.once('data', resolve)
      socket.once('close', () => resolve(Buffer.alloc(0)))
    })
    await once(socket, 'connect')
    socket.setNoDelay(true)
    await send(socket)
    const bytes = await answered
    socket.destroy()
    return bytes
  }

  async function helloOf(servername: string): Promise<Buffer> {
    // Handshake message: without the header of its one record.
    return (await realHello({ servername, rejectUnauthorized: false })).subarray(5)
  }

  for (const name of ['safe.test', 'good.test']) {
    const kind = name === 'safe.test' ? 'passthrough' : 'terminate'

    it(`${kind}: hellos in any cut and form of the name are routed as one`, async () => {
      const hello = await helloOf(name)
      const split = hello.indexOf(name) + 3
      const forms: Readonly<Record<string, Buffer>> = {
        'one-byte records': records(hello, 1),
        'a cut inside the name': Buffer.concat([
          record(hello.subarray(0, split)),
          record(hello.subarray(split)),
        ]),
        'an empty record first': Buffer.concat([record(Buffer.alloc(0)), record(hello)]),
        'mixed case': record(
          Buffer.from(hello.toString('latin1').replace(name, name.toUpperCase()), 'latin1'),
        ),
      }
      const answers = await Promise.all([
        ...Object.values(forms).map((bytes) => firstBytes((socket) => void socket.write(bytes))),
        firstBytes(async (socket) => {
          for (const byte of record(hello)) {
            socket.write(Buffer.from([byte]))
            await new Promise((resolve) => setImmediate(resolve))
          }
        }),
      ])
      for (const [i, bytes] of answers.entries()) {
        // OpenSSL itself refuses empty records, with an alert of its own.
        assert.ok([2, 21].includes(bytes[0] === 22 ? 2 : (bytes[0] ?? 0)), `form ${i}: ${bytes[0]}`)
      }
      assert.equal(answers.filter((bytes) => bytes[0] === 22).length >= 4, true)
    })

    it(`${kind}: an alert at a wrong hello comes from TLS alone`, async () => {
      const bytes = await firstBytes((socket) => {
        socket.write(records(helloMessage({ extensions: [serverName(name), alpn('nonsense')] })))
      })
      assert.ok(bytes[0] === 21 || bytes[0] === 22)
    })
  }

  it('what is no hello, or names nobody, is closed without a byte', () =>
    GoodClients.whileDoing(target, async () => {
      const hello = (name: string) => records(helloMessage({ extensions: [serverName(name)] }))
      const two = vector(2, Buffer.concat([hostEntry('good.test'), hostEntry('raw.test')]))
      const whole = hello('good.test')
      const cases: Readonly<Record<string, Buffer>> = {
        'unknown name': hello('nobody.invalid'),
        'no name': records(helloMessage({})),
        'an address': hello('127.0.0.1'),
        dots: hello('good..test'),
        'leading dot': hello('.good.test'),
        wildcard: hello('*.test'),
        NUL: hello('good.test\0.raw.test'),
        'CR LF': hello('good.test\r\nX: y'),
        ANSI: hello('\x1b[31mgood.test'),
        'high bytes': hello('good\xff.test'),
        'a prototype': hello('__proto__'),
        'too long': hello(`${'a'.repeat(64)}.test`),
        'two names': records(helloMessage({ extensions: [[0, two]] })),
        'two extensions': records(
          helloMessage({ extensions: [serverName('good.test'), serverName('raw.test')] }),
        ),
        'another type of name': records(helloMessage({ extensions: [serverName('good.test', 1)] })),
        'a record that is too long': Buffer.concat([Buffer.from([22, 3, 1, 0xff, 0xff]), whole]),
        'a length that lies': Buffer.concat([
          whole.subarray(0, 6),
          Buffer.from([0xff]),
          whole.subarray(7),
        ]),
        'more than 64 KiB': records(
          helloMessage({
            cipherSuites: Buffer.alloc(20_000, 0x13),
            extensions: [serverName('good.test'), [21, Buffer.alloc(60_000)]],
          }),
        ),
        'another record between': Buffer.concat([
          whole.subarray(0, 30),
          record(Buffer.from([1]), 21),
        ]),
        HTTP: Buffer.from('GET / HTTP/1.1\r\nHost: good.test\r\n\r\n'),
        SSH: Buffer.from('SSH-2.0-OpenSSH_9\r\n'),
        'PROXY v1': Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n'),
        'PROXY v2': Buffer.from('\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c'),
        PostgreSQL: Buffer.from('\0\0\0\x08\x04\xd2\x16\x2f', 'latin1'),
        SSLv2: Buffer.from('\x80\x2e\x01\0\x02', 'latin1'),
      }
      await Promise.all(
        Object.entries(cases).map(async ([name, bytes]) => {
          // A cut hello is only wrong once its sender has ended.
          const got = await firstBytes((socket) => void socket.end(bytes))
          assert.equal(got.length, 0, `${name}: ${got.toString('hex', 0, 8)}`)
        }),
      )
    }))

  it('silence, drip and a handshake that stops in TLS end at one total deadline', () =>
    GoodClients.whileDoing(target, async () => {
      const started = Date.now()
      const hello = records(await helloOf('good.test'))
      const slow: readonly ((socket: net.Socket) => void)[] = [
        () => {},
        (socket) => void socket.write(hello.subarray(0, 100)),
        // Routed, then silent: the deadline survives the hand-over to TLS.
        (socket) => void socket.write(hello),
        (socket) => {
          let at = 0
          const timer = setInterval(() => {
            socket.write(hello.subarray(at, at + 1))
            at += 1
          }, 200)
          socket.once('close', () => clearInterval(timer))
        },
      ]
      await Promise.all(
        slow.map(async (behave, i) => {
          const socket = connectTlsPort(target)
          socket.resume()
          await once(socket, 'connect')
          behave(socket)
          await new Promise((resolve) => socket.once('close', resolve))
          const took = Date.now() - started
          assert.ok(
            took > DEADLINE_MS - SLACK_MS && took < DEADLINE_MS + SLACK_MS * 2,
            `${i}: ${took}`,
          )
        }),
      )
    }))

  for (const version of ['-tls1_2', '-tls1_3']) {
    it(`a session of one listener resumes on no other, ${version}`, async () => {
      const caFile = join(target.daemon.directory, 'ca.pem')
      const session = join(target.daemon.directory, `session${version}`)
      writeFileSync(caFile, target.caPem)
      const s_client = (name: string, ...args: string[]) =>
        command(
          'openssl',
          [
            's_client',
            '-connect',
            `${target.address}:8443`,
            '-servername',
            name,
            '-CAfile',
            caFile,
            version,
            ...args,
          ],
          {
            input: `GET / HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`,
            inputEndsAfter: /HTTP\/1\.1 [0-9]+/,
          },
        )
      await s_client('good.test', '-sess_out', session)
      const same = await s_client('good.test', '-sess_in', session)
      assert.match(same.stdout, /^Reused, /m)
      const other = await s_client('raw.test', '-sess_in', session)
      assert.match(other.stdout, /^New, /m)
    })
  }

  it('renegotiation is refused and harms nobody', async () => {
    const socket = connectTls(target, 'good.test', { maxVersion: 'TLSv1.2' })
    await once(socket, 'secureConnect')
    const refused = new Promise((resolve) => {
      socket.renegotiate({}, (error) => resolve(error))
      socket.once('error', resolve)
      socket.once('close', resolve)
    })
    assert.ok(await refused)
    socket.destroy()
  })
})
