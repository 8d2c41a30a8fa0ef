/** What npm packs runs where npm puts it. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Script } from 'node:vm'
import { startHttpBackend } from '../../demo/backends.ts'
import { testCertificate } from '../support/certificates.ts'
import { command, curl } from '../support/command.ts'
import { startDaemon } from '../support/daemon.ts'
import { installPackage } from '../support/package.ts'
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

describe('the npm package', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'gwproxy-package-'))
  let installed: string
  let launcher: string
  before(async () => {
    const { directory, launcher: link } = await installPackage(scratch)
    installed = directory
    launcher = link
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
    const bundles = compiled.filter((name) => /-[A-Z0-9]{8}\.cjs$/.test(name))
    assert.equal(bundles.length, 4)
  })

  it('takes over what V8 compiled when it was built', () => {
    const dist = join(installed, 'dist')
    const names = readdirSync(dist, { recursive: true, encoding: 'utf8' })
    const caches = names.filter((name) => name.endsWith('.cache'))
    assert.equal(caches.length, 4)
    for (const name of caches) {
      const filename = join(dist, name.replace(/\.cache$/, ''))
      const cachedData = readFileSync(join(dist, name))
      const script = new Script(readFileSync(filename, 'latin1'), { filename, cachedData })
      assert.equal(script.cachedDataRejected, false, name)
    }
  })

  it('says its version and checks the examples', async () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    const version = await command(launcher, ['version'])
    const mark = readFileSync(join(installed, 'dist/build-mark'), 'utf8').trim()
    assert.match(mark, /^\d+$/)
    assert.ok(version.stdout.startsWith(`gwproxy ${manifest.version}+${mark} `), version.stdout)
    const example = join(installed, 'config-examples/redirect-https')
    const checked = await command(launcher, ['check', '--offline', example])
    assert.match(checked.stdout, /0 errors/, checked.stderr)
  })

  it('knows an error of another bundle', async () => {
    const { code, stderr } = await command(launcher, ['schema', 'Nothing'])
    assert.match(stderr, /^gwproxy: no kind Nothing;/)
    assert.equal(code, 2)
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
