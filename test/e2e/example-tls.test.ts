/** The examples mtls and re-encrypt, with the commands that they name, do what they say. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Backend, startHttpBackend } from '../../demo/backends.ts'
import { curl, shell } from '../support/command.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { startHttpsOrigin, type TlsOrigin } from '../support/tls-origin.ts'

const ROOT = resolve(import.meta.dirname, '../..')

/** The manifest after its commands, on the test's own address. */
async function prepared(name: string, directory: string): Promise<string> {
  const text = readFileSync(join(ROOT, 'config-examples', name, `${name}.yaml`), 'utf8')
  for (const [, line = ''] of text.matchAll(/^# (gwproxy cert .*)$/gm)) {
    const made = await shell(line.replace('gwproxy', join(ROOT, 'bin/gwproxy')), { cwd: directory })
    assert.equal(made.code, 0, made.stderr)
  }
  const address = "gatewayClassName: gwproxy\n  addresses: [{ value: '{address}' }]"
  return text
    .replaceAll('gatewayClassName: gwproxy', address)
    .replaceAll(/: (ca\.crt=)?certs\//g, (_, key = '') => `: ${key}${directory}/certs/`)
}

describe('examples', () => {
  const directory = mkdtempSync(join(tmpdir(), 'gwproxy-example-'))
  const file = (path: string): string => join(directory, 'certs', path)
  const shown = (name: string): string[] => [
    ...['--cert', file(`${name}/fullchain.pem`), '--key', file(`${name}/privkey.pem`)],
  ]
  const daemons: Daemon[] = []
  let app: Backend
  let origin: TlsOrigin | undefined
  before(async () => {
    app = await startHttpBackend('app')
  })
  after(async () => {
    for (const daemon of daemons) await daemon.stop()
    await app.close()
    origin?.close()
    rmSync(directory, { recursive: true })
  })

  const start = async (
    text: string,
  ): Promise<(host: string, ...args: string[]) => Promise<string>> => {
    const daemon = await startDaemon({ files: { 'all.yaml': text } })
    daemons.push(daemon)
    return async (host, ...args) => {
      const url = ['--resolve', `${host}:${daemon.address}`, `https://${host}/`]
      return (await curl(['-w', '%{http_code}', ...args, ...url])).stdout
    }
  }

  it('mtls: a certificate on one port, a question on the other', async () => {
    const text = (await prepared('mtls', directory)).replaceAll('port: 3000', `port: ${app.port}`)
    const get = await start(text)
    const trust = ['--cacert', file('server/ca.crt')]
    assert.match(await get('api.example.test:8443', ...trust), /^000$/)
    const known = await get('api.example.test:8443', ...trust, ...shown('alice'))
    assert.match(known, /Subject=\\"CN=alice\\"[\s\S]*200$/)
    assert.match(await get('partners.example.test:9443', ...trust), /200$/)
  })

  it('re-encrypt: certificates on both sides of the backend', async () => {
    const text = await prepared('re-encrypt', directory)
    const read = (path: string): string => readFileSync(file(path), 'utf8')
    origin = await startHttpsOrigin({
      cert: read('backend/fullchain.pem'),
      key: read('backend/privkey.pem'),
      clientCa: read('front/ca.crt'),
    })
    const get = await start(text.replaceAll('port: 3443', `port: ${origin.port}`))
    const answer = await get('web.example.test:8443', '--cacert', file('web/ca.crt'))
    assert.match(answer, /"sni":"app\.internal".*"client":"CN=front".*200$/)
  })
})
