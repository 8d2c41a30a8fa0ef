/** What a daemon keeps on disk, and the options that change how it starts and what it says. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import * as net from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { parse } from 'yaml'
import type { StatusReport } from '../../src/control/admin/contract.ts'
import { curl } from '../support/command.ts'
import { type Daemon, ownAddress, startDaemon } from '../support/daemon.ts'
import { LAUNCHER } from '../support/launcher.ts'
import { gateway, httpListener, httpRoute, yaml } from '../support/manifests.ts'
import { until } from '../support/until.ts'

let home = ''
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'gwproxy-state-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

/** A route that answers by itself, so that no backend is needed. */
function redirect(name: string, statusCode: number) {
  const filter = { type: 'RequestRedirect', requestRedirect: { hostname: 'to.test', statusCode } }
  return httpRoute(name, [`${name}.test`], [{ filters: [filter] }])
}

async function statusOf(address: string, name: string): Promise<number> {
  const answer = ['-o', '/dev/null', '-w', '%{http_code}', '-H', `Host: ${name}.test`]
  return Number((await curl([...answer, `http://${address}:8080/`])).stdout)
}

describe('--status-dir', () => {
  it('holds the objects as kubectl would print them, each file whole, gone with its object', async () => {
    const statusDir = join(home, 'status')
    mkdirSync(statusDir)
    writeFileSync(join(statusDir, 'foreign.yaml'), 'mine: true\n')
    const daemon = await startDaemon({
      args: ['--status-dir', statusDir],
      files: {
        'gateway.yaml': yaml(gateway([httpListener('http', 8080)])),
        'a.yaml': yaml(redirect('a', 301)),
        'b.yaml': yaml(redirect('b', 301)),
      },
    })
    const file = join(statusDir, 'HTTPRoute_default_a.yaml')
    await until(() => existsSync(file))
    const before = statSync(file).ino
    const { objects } = await daemon.admin.get<StatusReport>('/status')
    const shown = objects.find(({ object }) => object.metadata.name === 'a')?.object
    assert.deepEqual(parse(readFileSync(file, 'utf8')), JSON.parse(JSON.stringify(shown)))

    await daemon.apply({ 'a.yaml': yaml(redirect('a', 302)), 'b.yaml': undefined })
    assert.equal(await daemon.stop(), 0)
    assert.notEqual(statSync(file).ino, before, 'replaced, not rewritten')
    assert.equal(parse(readFileSync(file, 'utf8')).metadata.generation, 2)
    assert.deepEqual(readdirSync(statusDir).sort(), [
      'Gateway_default_gw.yaml',
      'HTTPRoute_default_a.yaml',
      'foreign.yaml',
    ])
  })
})

describe('--state-dir', () => {
  it('a restart remembers last good versions, generations, times and ages', async () => {
    const address = ownAddress()
    const config = join(home, 'config')
    mkdirSync(config)
    const write = (name: string, text: string) => writeFileSync(join(config, name), text)
    const start = () =>
      startDaemon({ files: {}, args: ['--config', config, '--state-dir', join(home, 'state')] })
    write(
      'gateway.yaml',
      yaml(gateway([httpListener('http', 8080)], { addresses: [{ value: address }] })),
    )
    // Two routes for one host: the older one wins, which neither name nor file order says.
    write('z.yaml', yaml({ ...redirect('a', 301), metadata: { name: 'zebra' } }))

    const first = await start()
    write('a.yaml', yaml({ ...redirect('a', 302), metadata: { name: 'ant' } }))
    await first.reload()
    write('z.yaml', yaml({ ...redirect('a', 308), metadata: { name: 'zebra' } }))
    await first.reload()
    assert.equal(await statusOf(address, 'a'), 308, 'the older route')
    const before = await conditionsOf(first)
    assert.equal(await first.stop(), 0)

    write('z.yaml', 'kind: [')
    const second = await start()
    assert.equal(await statusOf(address, 'a'), 308, 'the last good version of the older route')
    assert.deepEqual(await conditionsOf(second), before)
    const { objects } = await second.admin.get<StatusReport>('/status')
    const zebra = objects.find(({ object }) => object.metadata.name === 'zebra')
    assert.equal(zebra?.stale, true)
    assert.equal(zebra?.object.metadata['generation'], 2)
    assert.equal(await second.stop(), 0)
  })
})

/** Times and generations of every condition, by object. */
async function conditionsOf(daemon: Daemon): Promise<Record<string, unknown>> {
  const { objects } = await daemon.admin.get<StatusReport>('/status')
  return Object.fromEntries(
    objects.map(({ object }) => [`${object.kind} ${object.metadata.name}`, object['status']]),
  )
}

describe('--strict', () => {
  it('is about the start: warnings pass, and a later mistake ends nothing', async () => {
    const daemon = await startDaemon({
      args: ['--strict'],
      files: {
        // Attached to no Gateway: a warning.
        'all.yaml': yaml(
          gateway([httpListener('http', 8080)]),
          redirect('a', 301),
          httpRoute('lost', undefined, [{}], { gateway: 'elsewhere' }),
        ),
      },
    })
    await daemon.apply({ 'broken.yaml': 'kind: [' })
    assert.equal(await statusOf(daemon.address, 'a'), 301)
    assert.equal(await daemon.stop(), 0)
  })
})

describe('--workers auto', () => {
  it('is one worker per core', async () => {
    const daemon = await startDaemon({ files: {}, workers: 'auto' })
    const metrics = String((await daemon.admin.send('GET', '/metrics')).body)
    assert.match(metrics, new RegExp(`^gwproxy_workers ${availableParallelism()}$`, 'm'))
    assert.equal(await daemon.stop(), 0)
  })
})

describe('the log', () => {
  const files = { 'all.yaml': yaml(gateway([httpListener('http', 8080)]), redirect('a', 301)) }

  it('is for people with --log-format pretty, without colours outside of a terminal', async () => {
    const daemon = await startDaemon({ files, args: ['--log-format', 'pretty'] })
    const ready = await daemon.line(({ text }) => / ready /.test(String(text)))
    assert.match(String(ready['text']), /^\d\d:\d\d:\d\d\.\d{3} INFO {2}ready generation=1 /)
    assert.equal(await daemon.stop(), 0)
  })

  it('has its access lines in a file, in a new one after a rotation, as chosen', async () => {
    const place = mkdtempSync(join(tmpdir(), 'gwproxy-access-'))
    const path = join(place, 'access.log')
    const daemon = await startDaemon({
      files,
      workers: 2,
      args: [
        ...['--access-log', path, '--access-log-format', 'text'],
        ...['--access-log-skip', 'log=connection', '--access-log-skip', 'user-agent=probe*'],
      ],
    })
    const linesOf = (file: string): readonly string[] =>
      existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
    const url = `http://${daemon.address}:8080/a`
    await curl(['-A', 'probe/1', url])
    await curl(['-A', 'one', url])
    await until(() => linesOf(path).length === 1)
    assert.match(linesOf(path)[0] ?? '', / "GET \/a HTTP\/1\.1" \d+ \d+ "-" "one" /)
    renameSync(path, `${path}.1`)
    daemon.signal('SIGUSR1')
    // Both workers open it anew, at their own time.
    await until(() => existsSync(path))
    for (let i = 0; linesOf(path).length === 0 && i < 100; i += 1) await curl(['-A', 'two', url])
    assert.ok(linesOf(path).every((line) => line.includes('"two"')))
    assert.equal(linesOf(`${path}.1`)[0]?.includes('"one"'), true)
    assert.equal(await daemon.stop(), 0)
    assert.deepEqual(
      daemon.lines.filter((line) => 'log' in line),
      [],
    )
    rmSync(place, { recursive: true })
  })

  for (const workers of [0, 1]) {
    it(`has its log in a file, too, with --workers ${workers}`, { timeout: 60_000 }, async () => {
      const place = mkdtempSync(join(tmpdir(), 'gwproxy-log-'))
      const path = join(place, 'gwproxy.log')
      // Few enough descriptors that a worker has something to say.
      const launcher = ['sh', '-c', 'ulimit -n 100 && exec "$0" "$@"', LAUNCHER] as const
      const daemon = await startDaemon({ files, workers, log: path, launcher: [...launcher] })
      const textOf = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8') : '')
      await until(() => textOf(path).includes('"msg":"ready"'))
      assert.equal(statSync(path).mode & 0o777, 0o640)
      const clients = Array.from({ length: 60 }, () => net.connect(8080, daemon.address))
      for (const client of clients) client.on('error', () => undefined)
      await until(() => textOf(path).includes('overload: connection limit'))

      renameSync(path, `${path}.1`)
      daemon.signal('SIGUSR1')
      await until(() => existsSync(path))
      for (const client of clients) client.destroy()
      await daemon.reload()
      const told = ['"msg":"reloaded"', 'overload (connection limit) is over']
      await until(() => told.every((text) => textOf(path).includes(text)))
      assert.ok(!told.some((text) => textOf(`${path}.1`).includes(text)))
      // Access lines stay where they are.
      await daemon.line(({ log }) => log === 'connection')
      assert.equal(await daemon.stop(), 0)
      assert.ok(textOf(path).includes('drained; ending'))
      assert.deepEqual(
        daemon.lines.filter((line) => !('log' in line)),
        [],
      )
      rmSync(place, { recursive: true })
    })
  }

  const logrotate = spawnSync('logrotate', ['--version']).error
  it('its files are rotated by the rule that comes along', {
    skip: logrotate === undefined ? false : 'there is no logrotate here',
    timeout: 60_000,
  }, async () => {
    const place = mkdtempSync(join(tmpdir(), 'gwproxy-rotate-'))
    chmodSync(place, 0o755)
    const path = join(place, 'gwproxy.log')
    const daemon = await startDaemon({ files, workers: 1, log: path })
    await until(() => existsSync(path) && readFileSync(path, 'utf8').includes('"ready"'))
    // As it stands, but for the place, the user, and who sends the signal.
    const rule = readFileSync(
      join(import.meta.dirname, '../../packaging/logrotate/gwproxy'),
      'utf8',
    )
      .replace('/var/log/gwproxy/', `${place}/`)
      .replace('    su gwproxy gwproxy\n', '')
      .replace('systemctl kill --signal=USR1 gwproxy.service', `kill -USR1 ${daemon.pid}`)
    const file = join(place, 'rule')
    writeFileSync(file, rule, { mode: 0o644 })
    const args = ['--force', '--state', join(place, 'state'), file]
    const { status, stderr } = spawnSync('logrotate', args, { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
    await until(() => existsSync(path))
    await daemon.reload()
    await until(() => readFileSync(path, 'utf8').includes('"reloaded"'))
    const names = readdirSync(place).filter((name) => name.startsWith('gwproxy.log'))
    assert.deepEqual(names.sort(), ['gwproxy.log', 'gwproxy.log.1'])
    assert.equal(await daemon.stop(), 0)
    rmSync(place, { recursive: true })
  })

  it('names the client at the depth of X-Forwarded-For that was told', async () => {
    const daemon = await startDaemon({
      files,
      args: ['--trusted-proxy', '127.0.0.0/8', '--forwarded-for-depth', '2'],
    })
    const hops = 'X-Forwarded-For: 6.6.6.6, 203.0.113.9, 198.51.100.7'
    for (const host of ['a.test', 'nobody.test']) {
      await curl(['-H', hops, '-H', `Host: ${host}`, `http://${daemon.address}:8080/`])
      const line = await daemon.line((one) => one[':authority'] === host)
      assert.equal(line['client'], '203.0.113.9', host)
      assert.equal(line['x-forwarded-for'], hops.slice('X-Forwarded-For: '.length), host)
    }
    assert.equal(await daemon.stop(), 0)
  })

  it('tells no X-Forwarded-For of a stranger', async () => {
    const daemon = await startDaemon({ files })
    const hop = 'X-Forwarded-For: 6.6.6.6'
    for (const host of ['a.test', 'nobody.test']) {
      await curl(['-H', hop, '-H', `Host: ${host}`, `http://${daemon.address}:8080/`])
      const line = await daemon.line((one) => one[':authority'] === host)
      assert.deepEqual([line['client'], line['x-forwarded-for']], ['127.0.0.1', undefined], host)
    }
    assert.equal(await daemon.stop(), 0)
  })

  for (const flag of ['--log', '--access-log']) {
    it(`refuses to start when ${flag} cannot be written`, async () => {
      await assert.rejects(
        startDaemon({ files, args: [flag, '/proc/no/a.log'] }),
        new RegExp(`${flag} /proc/no/a\\.log cannot be opened: `),
      )
    })
  }

  for (const [args, env] of [
    [['--no-access-log'], {}],
    [['--access-log', 'off'], {}],
    [[], { GWPROXY_NO_ACCESS_LOG: 'true' }],
  ] as const) {
    it(`has no access lines with ${[...args, ...Object.keys(env)]}`, async () => {
      const daemon = await startDaemon({ files, args, env })
      assert.equal(await statusOf(daemon.address, 'a'), 301)
      assert.equal(await daemon.stop(), 0)
      await daemon.line(({ msg }) => msg === 'drained; ending')
      assert.deepEqual(
        daemon.lines.filter((line) => 'log' in line),
        [],
      )
    })
  }
})

describe('GWPROXY_* variables', () => {
  it('stand in for flags; a flag beats its variable; empty and "no" are nothing', async () => {
    const daemon = await startDaemon({
      settings: 'variables',
      files: {
        'all.yaml': yaml(gateway([httpListener('http', 8080)]), redirect('a', 301)),
        'broken.yaml': 'kind: [',
      },
      workers: 2,
      args: ['--workers', '0'],
      env: { GWPROXY_STRICT: 'no', GWPROXY_NO_ACCESS_LOG: '0', GWPROXY_STATE_DIR: '' },
    })
    assert.equal(await statusOf(daemon.address, 'a'), 301)
    await daemon.line((line) => line['log'] === 'exchange')
    const worker = daemon.lines.find(({ msg }) => msg === 'worker started')
    assert.equal(worker?.['pid'], daemon.pid, 'no worker of its own')
    assert.equal(await daemon.stop(), 0)
  })

  it('name several values with commas', async () => {
    const [one, two] = [join(home, 'one'), join(home, 'two')]
    for (const directory of [one, two]) mkdirSync(directory)
    const address = ownAddress()
    const listeners = gateway([httpListener('http', 8080)], { addresses: [{ value: address }] })
    writeFileSync(join(one, 'gateway.yaml'), yaml(listeners))
    writeFileSync(join(two, 'a.yaml'), yaml(redirect('a', 301)))
    const daemon = await startDaemon({
      settings: 'variables',
      files: {},
      env: { GWPROXY_CONFIG: `${one},${two}` },
    })
    assert.equal(await statusOf(address, 'a'), 301)
    assert.equal(await daemon.stop(), 0)
  })
})
