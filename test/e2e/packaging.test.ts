/**
 * What npm packs runs where npm puts it: compiled, below node_modules, started by a link. Only the
 * dependencies are this checkout's, so that the test needs no network.
 */
import assert from 'node:assert/strict'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { startHttpBackend } from '../../demo/backends.ts'
import { testCertificate } from '../support/certificates.ts'
import { command, curl } from '../support/command.ts'
import { startDaemon } from '../support/daemon.ts'
import {
  backendRef,
  gateway,
  httpListener,
  httpRoute,
  service,
  tlsListener,
  tlsSecret,
  yaml,
} from '../support/manifests.ts'

const ROOT = resolve(import.meta.dirname, '../..')
/** What is not ours to pack, or not needed to. */
const LEFT_OUT = new Set(['node_modules', 'dist', 'test', 'tools'])

describe('the npm package', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'gwproxy-package-'))
  const installed = join(scratch, 'lib/node_modules/gwproxy')
  const launcher = join(scratch, 'bin/gwproxy')

  before(async () => {
    const source = join(scratch, 'source')
    mkdirSync(source)
    for (const name of readdirSync(ROOT)) {
      if (LEFT_OUT.has(name) || (name.startsWith('.') && name !== '.npmrc')) continue
      cpSync(join(ROOT, name), join(source, name), { recursive: true })
    }
    symlinkSync(join(ROOT, 'node_modules'), join(source, 'node_modules'))
    const packed = await command('npm', ['pack', '--offline', '--pack-destination', scratch], {
      cwd: source,
      timeoutMs: 60_000,
    })
    assert.equal(packed.code, 0, packed.stderr)
    const tarball = readdirSync(scratch).find((name) => name.endsWith('.tgz')) ?? ''
    mkdirSync(installed, { recursive: true })
    mkdirSync(join(scratch, 'bin'))
    const untar = ['-xzf', join(scratch, tarball), '-C', installed, '--strip-components=1']
    assert.equal((await command('tar', untar)).code, 0)
    symlinkSync(join(ROOT, 'node_modules'), join(installed, 'node_modules'))
    // As `npm install --global` links it.
    symlinkSync('../lib/node_modules/gwproxy/bin/gwproxy', launcher)
  })

  after(() => rmSync(scratch, { recursive: true, force: true }))

  it('holds what the README links to, and no sources or tests', () => {
    assert.deepEqual(readdirSync(installed).sort(), [
      ...['DESIGN.md', 'LICENSE', 'README.md', 'bin', 'config-examples', 'dist', 'docs'],
      ...['native', 'node_modules', 'package.json', 'packaging'],
    ])
    const compiled = readdirSync(join(installed, 'dist'), { recursive: true, encoding: 'utf8' })
    assert.deepEqual(
      compiled.filter((name) => name.endsWith('.ts')),
      [],
    )
  })

  it('says its version and checks the examples', async () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    const version = await command(launcher, ['version'])
    assert.match(version.stdout, new RegExp(`^gwproxy ${manifest.version} `), version.stderr)
    const example = join(installed, 'config-examples/redirect-https')
    const checked = await command(launcher, ['check', '--offline', example])
    assert.match(checked.stdout, /0 errors/, checked.stderr)
  })

  for (const workers of [0, 2]) {
    it(`serves, reloads and drains with --workers ${workers}`, async () => {
      const backend = await startHttpBackend('app')
      const routes = (name: string): string =>
        yaml(
          httpRoute('app', [name], [{ backendRefs: [backendRef('app')] }]),
          ...service('app', 80, [backend]),
        )
      const daemon = await startDaemon({
        launcher: [launcher],
        workers,
        files: {
          'gateway.yaml': yaml(
            gateway([
              httpListener('http', 8080),
              tlsListener('https', 8443, undefined, ['cert'], 'HTTPS'),
            ]),
            tlsSecret('cert', await testCertificate(['app.test', 'new.test'])),
          ),
          'routes.yaml': routes('app.test'),
        },
      })
      const ask = (name: string) =>
        curl(['-k', '--resolve', `${name}:8443:${daemon.address}`, `https://${name}:8443/`])
      assert.match((await ask('app.test')).stdout, /"backend": "app"/)
      const report = await daemon.apply({ 'routes.yaml': routes('new.test') })
      assert.equal(report.applied, true)
      assert.match((await ask('new.test')).stdout, /"backend": "app"/)
      assert.match((await ask('app.test')).stdout, /404/)
      for (const file of ['', 'page.css', 'page.js', 'page.svg']) {
        assert.equal((await daemon.admin.send('GET', `/${file}`)).status, 200, file)
      }
      assert.equal(await daemon.stop(), 0)
      await backend.close()
    })
  }
})
