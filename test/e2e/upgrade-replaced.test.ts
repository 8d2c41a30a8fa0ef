/** A package that is replaced under the daemon that runs from it, as `npm install --global` does. */
import assert from 'node:assert/strict'
import { appendFileSync, cpSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, it } from 'node:test'
import { command } from '../support/command.ts'
import { startDaemon } from '../support/daemon.ts'
import { type LoadedWorld, loadOn, makeLoadedWorld } from '../support/loaded-world.ts'
import { type InstalledPackage, installPackage } from '../support/package.ts'
import { until } from '../support/until.ts'

const scratch = mkdtempSync(join(tmpdir(), 'gwproxy-replaced-'))
let installed: InstalledPackage
let world: LoadedWorld

before(async () => {
  installed = await installPackage(scratch)
  world = await makeLoadedWorld()
})
after(() => {
  world.close()
  rmSync(scratch, { recursive: true, force: true })
})

function markOf(directory: string): string {
  return readFileSync(join(directory, 'dist/build-mark'), 'utf8').trim()
}

/** Another build of the same version. */
async function makePatched(directory: string): Promise<string> {
  const patched = `${directory}-patched`
  cpSync(directory, patched, { recursive: true, verbatimSymlinks: true })
  appendFileSync(join(patched, 'dist/data/worker-process.cjs'), '// a patch\n')
  const marked = await command('npm', ['run', 'build:mark'], { cwd: patched })
  assert.equal(marked.code, 0, marked.stderr)
  return patched
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
