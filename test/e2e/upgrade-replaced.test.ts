/** A package that is replaced under the daemon that runs from it, as `npm install --global` does. */
import assert from 'node:assert/strict'
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { HAND_OVER_PROTOCOL } from '../../src/ipc/hand-over.ts'
import { builtPackage } from '../support/built.ts'
import { command, curl } from '../support/command.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { HTTP, type LoadedWorld, loadOn, makeLoadedWorld } from '../support/loaded-world.ts'
import type { InstalledPackage } from '../support/package.ts'
import { until } from '../support/until.ts'

const FOREIGN_PROTOCOL = HAND_OVER_PROTOCOL + 1

const scratch = mkdtempSync(join(tmpdir(), 'gwproxy-replaced-'))
let installed: InstalledPackage
let world: LoadedWorld

before(async () => {
  installed = installBuilt()
  world = await makeLoadedWorld()
})
after(() => {
  world.close()
  rmSync(scratch, { recursive: true, force: true })
})

/** As npm leaves it: packaging.test.ts has it from npm itself, which takes longer. */
function installBuilt(): InstalledPackage {
  const directory = join(scratch, 'lib/node_modules/gwproxy')
  const launcher = join(scratch, 'bin/gwproxy')
  cpSync(builtPackage(), directory, { recursive: true, verbatimSymlinks: true })
  mkdirSync(dirname(launcher))
  symlinkSync('../lib/node_modules/gwproxy/bin/gwproxy', launcher)
  return { directory, launcher }
}

function markOf(directory: string): string {
  return readFileSync(join(directory, 'dist/build-mark'), 'utf8').trim()
}

/** A copy, changed by `edit`, with a mark of its own. */
async function variantOf(
  directory: string,
  name: string,
  edit: (variant: string) => void,
): Promise<string> {
  const variant = `${directory}-${name}`
  cpSync(directory, variant, { recursive: true, verbatimSymlinks: true })
  edit(variant)
  const marked = await command('npm', ['run', 'build:mark'], { cwd: variant })
  assert.equal(marked.code, 0, marked.stderr)
  return variant
}

/** Another build of the same version. */
function makePatched(directory: string): Promise<string> {
  return variantOf(directory, 'patched', (patched) =>
    appendFileSync(join(patched, 'dist/data/worker-process.cjs'), '// a patch\n'),
  )
}

/** Other code of another version; the mark is made of both. */
function makeVersion(directory: string, version: string): Promise<string> {
  return variantOf(directory, version, (variant) => {
    replaceIn(join(variant, 'package.json'), /"version": "[^"]+"/, `"version": "${version}"`)
    appendFileSync(join(variant, 'dist/cli/gwproxy.cjs'), `// of ${version}\n`)
  })
}

/** A version that hands over by another protocol. */
async function makeForeign(directory: string, version: string): Promise<string> {
  const other = await makeVersion(directory, version)
  return variantOf(other, 'foreign', (variant) => {
    const cli = join(variant, 'dist/cli')
    const bundle = readdirSync(cli).find((name) => /^gwproxy-.*\.cjs$/.test(name)) ?? ''
    replaceIn(
      join(cli, bundle),
      /HAND_OVER_PROTOCOL = \d+/,
      `HAND_OVER_PROTOCOL = ${FOREIGN_PROTOCOL}`,
    )
    // V8 knows the source by its length alone.
    rmSync(join(cli, `${bundle}.cache`))
  })
}

function replaceIn(path: string, what: RegExp, by: string): void {
  const text = readFileSync(path, 'utf8')
  assert.match(text, what)
  writeFileSync(path, text.replace(what, by))
}

it('refuses its workers until an upgrade, which fails no request', {
  timeout: 120_000,
}, async (t) => {
  const { directory, launcher } = installed
  const patched = await makePatched(directory)
  const [oldMark, newMark] = [markOf(directory), markOf(patched)]
  assert.notEqual(oldMark, newMark)
  const daemon = await startDaemon({ launcher: [launcher], workers: 2, files: world.files })
  const worker = await daemon.line(({ msg }) => msg === 'worker started')

  renameSync(directory, `${directory}-old`)
  renameSync(patched, directory)
  process.kill(Number(worker['pid']), 'SIGKILL')
  const refusal = new RegExp(
    `program was replaced: its workers are gwproxy \\S+\\+${newMark}, this process is \\S+\\+${oldMark}\\. ` +
      'What runs goes on; "gwproxy upgrade" or a restart',
  )
  await daemon.line(({ msg }) => refusal.test(String(msg)))
  const { state, reasons } = await daemon.admin
    .send('GET', '/readyz')
    .then(({ body }) => body as { state: string; reasons: readonly string[] })
  assert.equal(state, 'degraded')
  assert.match(reasons.join(), refusal)

  const load = loadOn(daemon.address, world)
  await load.caughtUp()
  const { stdout, stderr } = await command(launcher, [
    ...['upgrade', '--admin', `unix:${join(daemon.directory, 'admin.sock')}`],
  ])
  assert.match(
    stdout,
    new RegExp(`^gwproxy \\S+\\+${newMark} .*; gwproxy \\S+\\+${oldMark} drains`),
    stderr,
  )
  await load.caughtUp()
  // How many there are is the machine's: two daemons, and code that nobody has compiled yet.
  const { requests, failures } = await load.stop()
  t.diagnostic(JSON.stringify(requests))
  assert.deepEqual(failures, [])
  assert.ok(Object.values(requests).every((count) => count > 0))

  // The new process starts workers again.
  assert.deepEqual(await daemon.admin.get('/readyz'), { state: 'ready', reasons: [] })
  const started = (): number => daemon.lines.filter(({ msg }) => msg === 'worker started').length
  const before = started()
  process.kill(
    Number(daemon.lines.findLast(({ msg }) => msg === 'worker started')?.['pid']),
    'SIGKILL',
  )
  await until(() => started() > before)
  assert.equal(await daemon.stop(), 0)
})

describe('between versions', () => {
  const OTHER = '9.0.0'
  const FOREIGN = '10.0.0'
  let own: string
  let directories: Readonly<Record<string, string>>
  before(async () => {
    const { directory } = installed
    const { version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as {
      version: string
    }
    own = version
    directories = {
      [own]: directory,
      [OTHER]: await makeVersion(directory, OTHER),
      [FOREIGN]: await makeForeign(directory, FOREIGN),
    }
  })

  /** As a link to the current version does it. */
  function install(version: string): void {
    rmSync(installed.launcher)
    symlinkSync(join(directories[version] ?? '', 'bin/gwproxy'), installed.launcher)
  }

  async function start(version: string): Promise<Daemon> {
    install(version)
    return await startDaemon({ launcher: [installed.launcher], files: world.files })
  }

  async function upgrade(daemon: Daemon, version: string) {
    install(version)
    return await command(installed.launcher, [
      ...['upgrade', '--admin', `unix:${join(daemon.directory, 'admin.sock')}`],
    ])
  }

  async function assertServes({ address, admin }: Daemon, version: string): Promise<void> {
    const { stdout } = await curl(['--max-time', '30', `http://${address}:${HTTP}/`])
    assert.equal(stdout, 'ok')
    assert.deepEqual(await admin.get('/readyz'), { state: 'ready', reasons: [] })
    const metrics = await admin.get<string>('/metrics')
    assert.match(metrics, new RegExp(`^gwproxy_build_info\\{.*"${version}\\+`, 'm'))
  }

  it('goes up and down, with other code', { timeout: 60_000 }, async () => {
    const daemon = await start(own)
    for (const [from, to] of [
      [own, OTHER],
      [OTHER, own],
    ] as const) {
      const { stdout, stderr } = await upgrade(daemon, to)
      assert.match(stdout, new RegExp(`^gwproxy ${to}\\+.* serves .* gwproxy ${from}\\+`), stderr)
      await assertServes(daemon, to)
    }
    assert.equal(await daemon.stop(), 0)
  })

  for (const isOlder of [false, true]) {
    const name = `refuses ${isOlder ? 'an older' : 'a newer'} one that hands over otherwise`
    it(`${name}, and goes on`, { timeout: 60_000 }, async () => {
      const [from, to] = isOlder ? [FOREIGN, own] : [own, FOREIGN]
      const daemon = await start(from)
      const { code, stderr } = await upgrade(daemon, to)
      assert.equal(code, 1)
      assert.match(stderr, new RegExp(`gwproxy ${to}\\+\\S+ by protocol .*: .* only a restart`))
      await daemon.line(({ msg }) => /not upgraded, going on as before/.test(String(msg)))
      await assertServes(daemon, from)
      assert.equal(await daemon.stop(), 0)
    })
  }
})
