/**
 * Hot reload on a live daemon: every way in which files change takes effect, and nothing that an
 * edit does not touch is disturbed (DESIGN.md, "What a reload does to live connections").
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  mkdirSync,
  openSync,
  closeSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import * as net from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import * as tls from 'node:tls'
import { type Backend, startHttpBackend, startTlsEchoBackend } from '../../demo/backends.ts'
import { testCertificate } from '../support/certificates.ts'
import { curl } from '../support/command.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import {
  backendRef,
  gateway,
  httpListener,
  httpRoute,
  service,
  tlsListener,
  tlsRoute,
  yaml,
} from '../support/manifests.ts'

const LISTENERS = yaml(
  gateway([httpListener('http', 8080), tlsListener('pass', 8443, '*.test', 'passthrough')]),
)

/** A route whose answer is its redirect's host: visible without a backend. */
function redirectTo(hostname: string): string {
  return yaml(
    httpRoute('r', undefined, [
      { filters: [{ type: 'RequestRedirect', requestRedirect: { hostname } }] },
    ]),
  )
}

async function seen(daemon: Daemon): Promise<string> {
  const { stdout } = await curl([
    ...['-o', '/dev/null', '-w', '%{redirect_url}', `http://${daemon.address}:8080/`],
  ])
  return /^http:\/\/([^:/]*)/.exec(stdout)?.[1] ?? stdout
}

/** Resolves when the daemon says that the generation after the present one serves. */
function nextGeneration(daemon: Daemon): Promise<unknown> {
  const generations = daemon.lines.map((line) => Number(line['generation'] ?? 0))
  const present = Math.max(0, ...generations)
  return daemon.line((line) => Number(line['generation'] ?? 0) > present, 'the next generation')
}

describe('files that change', () => {
  it('atomic rename, truncate-then-write, removal, new subdirectory', async () => {
    const daemon = await startDaemon({
      files: { 'listeners.yaml': LISTENERS, 'route.yaml': redirectTo('one') },
      args: ['--poll-interval', '60s'],
    })
    const route = join(daemon.configDir, 'route.yaml')
    assert.equal(await seen(daemon), 'one')

    let next = nextGeneration(daemon)
    daemon.write({ 'route.yaml': redirectTo('two') })
    await next
    assert.equal(await seen(daemon), 'two')

    next = nextGeneration(daemon)
    const text = redirectTo('three')
    const file = openSync(route, 'w')
    writeSync(file, text.slice(0, 40))
    writeSync(file, text.slice(40))
    closeSync(file)
    await next
    assert.equal(await seen(daemon), 'three')

    next = nextGeneration(daemon)
    mkdirSync(join(daemon.configDir, 'sub/dir'), { recursive: true })
    rmSync(route)
    writeFileSync(join(daemon.configDir, 'sub/dir/route.yaml'), redirectTo('four'))
    await next
    await daemon.reload()
    assert.equal(await seen(daemon), 'four')
    assert.equal(await daemon.stop(), 0)
  })

  it('a half-written file keeps what it last gave', async () => {
    const daemon = await startDaemon({
      files: { 'listeners.yaml': LISTENERS, 'route.yaml': redirectTo('whole') },
    })
    const report = await daemon.apply({ 'route.yaml': redirectTo('half').slice(0, 60) })
    assert.equal(report.problems.length, 1)
    assert.equal(await seen(daemon), 'whole')
    await daemon.apply({ 'route.yaml': redirectTo('mended') })
    assert.equal(await seen(daemon), 'mended')
    assert.equal(await daemon.stop(), 0)
  })

  it('a mounted ..data link, swapped; a retargeted config link; a directory that goes and comes', async () => {
    const daemon = await startDaemon({ files: {}, args: ['--poll-interval', '200ms'] })
    const version = (name: string, host: string): void => {
      const directory = join(daemon.configDir, `..${name}`)
      mkdirSync(directory)
      writeFileSync(
        join(directory, 'all.yaml'),
        `${LISTENERS}---\n${redirectTo(host)}`.replaceAll('{address}', daemon.address),
      )
      symlinkSync(`..${name}`, join(daemon.configDir, '..new'))
      renameSync(join(daemon.configDir, '..new'), join(daemon.configDir, '..data'))
    }
    let next = nextGeneration(daemon)
    version('v1', 'mount-one')
    symlinkSync('..data/all.yaml', join(daemon.configDir, 'all.yaml'))
    await next
    assert.equal(await seen(daemon), 'mount-one')
    next = nextGeneration(daemon)
    version('v2', 'mount-two')
    await next
    assert.equal(await seen(daemon), 'mount-two')

    // The directory goes: everything stays. Another one comes in its place by a link.
    const aside = `${daemon.configDir}-aside`
    renameSync(daemon.configDir, aside)
    const gone = await daemon.reload()
    assert.match(JSON.stringify(gone.problems), /source-missing/)
    assert.equal(await seen(daemon), 'mount-two')
    next = nextGeneration(daemon)
    const other = `${daemon.configDir}-other`
    mkdirSync(other)
    writeFileSync(
      join(other, 'all.yaml'),
      `${LISTENERS}---\n${redirectTo('linked')}`.replaceAll('{address}', daemon.address),
    )
    symlinkSync(other, daemon.configDir)
    await next
    assert.equal(await seen(daemon), 'linked')
    assert.equal(await daemon.stop(), 0)
  })
})

describe('live connections', () => {
  let web: Backend
  let secure: Backend
  before(async () => {
    web = await startHttpBackend('web')
    secure = await startTlsEchoBackend('secure', await testCertificate(['secure.test']))
  })
  after(async () => {
    await web.close()
    await secure.close()
  })

  for (const workers of [0, 2]) {
    it(`held streams and new requests see nothing of 30 reloads, --workers ${workers}`, async () => {
      const base = {
        'listeners.yaml': LISTENERS,
        'backends.yaml': yaml(...service('web', 80, [web]), ...service('secure', 443, [secure])),
        'l4.yaml': yaml(tlsRoute('secure', ['secure.test'], [backendRef('secure', 443)])),
      }
      const web1 = yaml(httpRoute('w', undefined, [{ backendRefs: [backendRef('web')] }]))
      const daemon = await startDaemon({ files: { ...base, 'web.yaml': web1 }, workers })
      const held = await Promise.all(Array.from({ length: 50 }, () => hold(daemon.address)))

      let failures = 0
      let requests = 0
      let isLoading = true
      const load = Promise.all(
        Array.from({ length: 4 }, async () => {
          while (isLoading && requests < 5_000) {
            requests += 1
            if (!(await requestOk(daemon.address))) failures += 1
          }
        }),
      )
      for (let edit = 0; edit < 30; edit++) {
        const rules = [
          { matches: [{ path: { value: `/edit-${edit}` } }], backendRefs: [backendRef('web')] },
          { backendRefs: [backendRef('web', 80, 1 + edit)] },
        ]
        const report = await daemon.apply({ 'web.yaml': yaml(httpRoute('w', undefined, rules)) })
        assert.equal(report.applied, true, JSON.stringify(report))
      }
      isLoading = false
      await load
      assert.ok(requests > 30)
      assert.equal(failures, 0)
      for (const socket of held)
        assert.equal(await roundTrip(socket, 'still here\n'), 'still here\n')
      for (const socket of held) socket.destroy()
      assert.equal(await daemon.stop(), 0)
    })
  }
})

async function hold(address: string): Promise<tls.TLSSocket> {
  const socket = tls.connect({
    host: address,
    port: 8443,
    servername: 'secure.test',
    rejectUnauthorized: false,
  })
  await once(socket, 'data')
  return socket
}

async function roundTrip(socket: tls.TLSSocket, text: string): Promise<string> {
  socket.write(text)
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  return chunk.toString()
}

/** One request on a connection of its own. */
function requestOk(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(8080, address)
    let answer = ''
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      answer += text
    })
    socket.on('error', () => resolve(false))
    socket.on('close', () => resolve(/^HTTP\/1\.1 200 [\s\S]*"backend": "web"/.test(answer)))
    socket.write(`GET / HTTP/1.1\r\nHost: ${address}\r\nConnection: close\r\n\r\n`)
  })
}
