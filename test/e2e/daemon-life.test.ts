/** Start, reload, drain, end: signals and exit codes as DESIGN.md's failure table says. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import * as http from 'node:http'
import * as net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, it } from 'node:test'
import { startTcpBackend } from '../../demo/backends.ts'
import { curl } from '../support/command.ts'
import { type Daemon, ownAddress, startDaemon } from '../support/daemon.ts'
import { LAUNCHER } from '../support/launcher.ts'
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
import { realHello } from '../support/client-hello.ts'

interface SlowBackend {
  readonly port: number
  /** Resolves when a request has arrived; responses wait for `finish`. */
  readonly arrived: Promise<void>
  finish(): void
  close(): void
}

async function slowBackend(): Promise<SlowBackend> {
  const arrival = Promise.withResolvers<void>()
  const waiting: http.ServerResponse[] = []
  const server = http.createServer((_request, response) => {
    waiting.push(response)
    arrival.resolve()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  const close = (): void => {
    server.close()
    server.closeAllConnections()
  }
  const finish = (): void => {
    for (const response of waiting) response.end('finished')
  }
  return { port, arrived: arrival.promise, finish, close }
}

function startWith(
  backends: { web?: number; l4?: number },
  args: string[],
  workers = 0,
): Promise<Daemon> {
  const at = (port = 1): { address: string; port: number }[] => [{ address: '127.0.0.1', port }]
  return startDaemon({
    workers,
    args,
    files: {
      'all.yaml': yaml(
        gateway([httpListener('http', 8080), tlsListener('pass', 8443, undefined, 'passthrough')]),
        httpRoute('web', undefined, [{ backendRefs: [backendRef('web')] }]),
        tlsRoute('l4', ['*.test'], [backendRef('l4')]),
        ...service('web', 80, at(backends.web)),
        ...service('l4', 80, at(backends.l4)),
      ),
    },
  })
}

for (const workers of [0, 2]) {
  describe(`the end of a daemon with --workers ${workers}`, () => {
    it('SIGTERM: running requests end, new connections are refused, exit 0', async () => {
      const backend = await slowBackend()
      const daemon = await startWith({ web: backend.port }, ['--drain-timeout', '15s'], workers)
      const running = curl([`http://${daemon.address}:8080/`])
      await backend.arrived
      daemon.signal('SIGTERM')
      await daemon.line((line) => /drain/i.test(String(line['msg'])), 'a line about the drain')
      // The workers close their ends of the socket one after the other, a moment after that line.
      let code = 0
      for (let tries = 0; tries < 100 && code !== 7; tries++) {
        code = (await curl(['--max-time', '1', `http://${daemon.address}:8080/`])).code
      }
      assert.equal(code, 7, 'connection refused')
      backend.finish()
      assert.equal((await running).stdout, 'finished')
      assert.equal(await daemon.exited, 0)
      backend.close()
    })

    it('what outlives the drain deadline is cut with a reason', async () => {
      const backend = await startTcpBackend('held')
      const daemon = await startWith({ l4: backend.port }, ['--drain-timeout', '300ms'], workers)
      const socket = net.connect(8443, daemon.address)
      socket.on('error', () => undefined)
      socket.write(await realHello({ servername: 'held.test' }))
      await once(socket, 'data')
      daemon.signal('SIGTERM')
      // Cut means reset: an error may come before the close.
      await new Promise((resolve) => socket.once('close', resolve))
      const line = await daemon.line((entry) => entry['requested_server_name'] === 'held.test')
      assert.equal(line['reason'], 'drain-deadline')
      assert.equal(await daemon.exited, 0)
      await backend.close()
    })
  })
}

describe('signals', () => {
  it('told to end before it serves, it ends in peace', async () => {
    // So many that it is still about to read them.
    const directory = mkdtempSync(join(tmpdir(), 'gwproxy-first-'))
    const routes = Array.from({ length: 8000 }, (_, index) => `r${index}`)
    for (let file = 0; file < 40; file++) {
      const own = routes.slice(file * 200, (file + 1) * 200)
      const text = yaml(...own.map((name) => httpRoute(name, [`${name}.test`], [{}])))
      writeFileSync(join(directory, `${file}.yaml`), text)
    }
    const gateways = gateway([httpListener('http', 8080)], {
      addresses: [{ value: ownAddress() }],
    })
    writeFileSync(join(directory, 'gateway.yaml'), yaml(gateways))
    const options = ['--admin', 'off', '--metrics', 'off', '--log-format', 'json']
    const child = spawn(LAUNCHER, ['run', '--config', directory, '--workers', '0', ...options], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let told = ''
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on('line', (line) => {
        told += `${line}\n`
        if (line.includes('"socket backend"')) child.kill('SIGTERM')
      })
    }
    assert.deepEqual(await once(child, 'close'), [0, null], told)
    assert.match(told, /"msg":"draining".*"msg":"drained; ending"/s)
    assert.doesNotMatch(told, /"msg":"ready"|"level":"(?:warn|error)"/)
    rmSync(directory, { recursive: true })
  })

  it('a second SIGTERM ends at once', async () => {
    const backend = await slowBackend()
    const daemon = await startWith({ web: backend.port }, ['--drain-timeout', '60s'])
    const running = curl([`http://${daemon.address}:8080/`])
    await backend.arrived
    daemon.signal('SIGTERM')
    await daemon.line((line) => /drain/i.test(String(line['msg'])))
    daemon.signal('SIGTERM')
    await daemon.exited
    assert.notEqual((await running).code, 0)
    backend.close()
  })

  it('SIGUSR1 and SIGUSR2 end nothing and open no inspector', async () => {
    const daemon = await startWith({}, [])
    daemon.signal('SIGUSR1')
    daemon.signal('SIGUSR2')
    assert.equal((await daemon.reload()).applied, true)
    assert.doesNotMatch(JSON.stringify(daemon.lines), /Debugger listening/)
    assert.equal(await daemon.stop(), 0)
  })

  it('SIGHUP reads the files again', async () => {
    const daemon = await startWith({}, ['--poll-interval', '60s'])
    daemon.write({ 'more.yaml': yaml(gateway([httpListener('more', 8081)], { name: 'more' })) })
    daemon.signal('SIGHUP')
    await daemon.line((line) => line['generation'] === 2)
    const { stdout } = await curl([
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      `http://${daemon.address}:8081/`,
    ])
    assert.equal(stdout, '404')
    assert.equal(await daemon.stop(), 0)
  })
})
