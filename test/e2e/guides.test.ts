/** The guides say what is so: their links, manifests, flags, log fields, reasons and metrics exist. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import type { Diagnostic } from '../../src/model/diagnostic.ts'
import { OUTCOMES } from '../../src/model/outcome.ts'
import { command } from '../support/command.ts'
import { startDaemon } from '../support/daemon.ts'
import { LAUNCHER } from '../support/launcher.ts'
import { gateway, httpListener, httpRoute, yaml } from '../support/manifests.ts'
import { codeSpans, fencedBlocks, headingAnchors, linkTargets } from '../support/markdown.ts'

const ROOT = resolve(import.meta.dirname, '../..')

const guides = readdirSync(join(ROOT, 'docs'))
  .filter((name) => name.endsWith('.md'))
  .map((name) => join('docs', name))
const examples = readdirSync(join(ROOT, 'config-examples'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('README.md'))
  .map((name) => join('config-examples', name))
const documents = [
  ...['README.md', 'DESIGN.md', 'CONTRIBUTING.md', ...examples, ...guides],
  ...readdirSync(join(ROOT, 'docs/adr')).map((name) => join('docs/adr', name)),
]

function read(document: string): string {
  return readFileSync(join(ROOT, document), 'utf8')
}

describe('links', () => {
  for (const document of documents) {
    it(`of ${document} lead somewhere`, () => {
      const broken = linkTargets(read(document))
        .filter((target) => !/^[a-z]+:/.test(target))
        .filter((target) => !leadsSomewhere(document, target))
      assert.deepEqual(broken, [])
    })
  }
})

function leadsSomewhere(document: string, target: string): boolean {
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? document : join(dirname(document), path)
  if (!existsSync(join(ROOT, file))) return false
  return anchor === undefined || headingAnchors(read(file)).includes(anchor)
}

describe('manifests', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'gwproxy-guides-'))
  after(() => rmSync(scratch, { recursive: true, force: true }))

  for (const document of guides) {
    // What is marked is another program's.
    const blocks = fencedBlocks(read(document)).filter(
      ({ language, marker }) => language === 'yaml' && marker === undefined,
    )
    for (const { line, text } of blocks) {
      it(`of ${document}:${line} are without fault`, async () => {
        const file = join(scratch, `${basename(document)}-${line}.yaml`)
        writeFileSync(file, text)
        // A snippet leaves out routes, Services and Secrets; Services may then be names of DNS.
        const { stdout, stderr } = await command(LAUNCHER, [
          ...['check', '--offline', '--service-dns', '{name}', '-o', 'json', file],
        ])
        assert.notEqual(stdout, '', stderr)
        const { problems } = JSON.parse(stdout) as { problems: Diagnostic[] }
        const faults = problems.filter(
          ({ code, message }) =>
            !/^(?:Secret|ConfigMap) \S+ does not exist\.$/.test(message) &&
            !message.startsWith('No route served here uses ') &&
            !(code === 'secret-files' && /\/etc\/\S+ (?:is missing|does not exist)/.test(message)),
        )
        assert.deepEqual(
          faults.filter(({ severity }) => severity !== 'note').map(({ message }) => message),
          [],
        )
      })
    }
  }
})

describe('names', () => {
  it('of flags are those of the commands', async () => {
    const commands = ['run', 'check', 'explain', 'status', 'reload', 'schema']
    const helps = await Promise.all(commands.map((name) => command(LAUNCHER, ['help', name])))
    const selfSigned = await command(LAUNCHER, ['cert', 'self-signed', '--help'])
    const known = new Set(
      [...helps, selfSigned].flatMap(({ stdout }) => stdout.match(/--[a-z][a-z-]+/g) ?? []),
    )
    const named = ['README.md', ...guides].flatMap((document) =>
      codeSpans(read(document), /^(?:gwproxy .*)?--[a-z]/)
        .flatMap((span) => span.match(/--[a-z][a-z-]+/g) ?? [])
        .map((flag) => `${document}: ${flag}`),
    )
    assert.ok(named.length > 20)
    assert.deepEqual(
      named.filter((entry) => !known.has(entry.split(': ')[1] ?? '')),
      [],
    )
  })

  it('of reasons are in the outcome table', () => {
    const named = guides.flatMap((document) =>
      codeSpans(read(document), /^reason: /).map((span) => span.slice('reason: '.length)),
    )
    assert.ok(named.length > 5)
    assert.deepEqual(
      named.filter((reason) => !(reason in OUTCOMES)),
      [],
    )
  })

  it('of all reasons are explained where one looks for them', () => {
    const named = new Set(codeSpans(read('docs/troubleshooting.md'), /^[a-z-]+$/))
    assert.deepEqual(
      Object.keys(OUTCOMES).filter((reason) => !named.has(reason)),
      [],
    )
  })

  it('of log fields and metrics are those of a running daemon', async () => {
    const redirect = { type: 'RequestRedirect', requestRedirect: { hostname: 'to.test' } }
    const daemon = await startDaemon({
      files: {
        'all.yaml': yaml(
          gateway([httpListener('http', 8080)]),
          httpRoute('a', undefined, [{ filters: [redirect] }]),
        ),
      },
    })
    const metrics = String((await daemon.admin.send('GET', '/metrics')).body)
    await command('curl', ['-sS', '-o', '/dev/null', `http://${daemon.address}:8080/`])
    const exchange = await daemon.line((line) => line['log'] === 'exchange')
    const connection = await daemon.line((line) => line['log'] === 'connection')
    assert.equal(await daemon.stop(), 0)

    const fields = read('docs/observe.md')
    const rest = read('docs/metrics.md')
    const exposed = [...metrics.matchAll(/^# TYPE (gwproxy_\S+) /gm)].map((match) => match[1])
    const documented = new Set(rest.match(/gwproxy_[a-z_]+/g) ?? [])
    assert.deepEqual([...documented].sort(), exposed.sort())

    const known = new Set([...Object.keys(exchange), ...Object.keys(connection), ...ABSENT_HERE])
    const rows = [...fields.matchAll(/^\| (`[a-z:_].*?) \|/gm)].map((match) => match[1] ?? '')
    const named = rows.flatMap((cell) => codeSpans(cell, /./))
    assert.ok(named.length > 15)
    assert.deepEqual(
      named.filter((name) => !known.has(name)),
      [],
    )
  })
})

/** Fields of lines that have TLS, a backend or a fault. */
const ABSENT_HERE = [
  ...['downstream_peer_subject', 'downstream_peer_fingerprint_256', 'downstream_peer_verified'],
  ...['requested_server_name', 'tls_version', 'tls_cipher', 'tls_group', 'tls_alpn', 'tls_resumed'],
  ...['upstream_cluster', 'upstream_host', 'peek_ms', 'handshake_ms', 'connect_ms', 'upstream_ms'],
  ...['auth_ms', 'request_ms', 'response_ms', 'session', 'x-forwarded-for'],
  ...['connection_termination_details', 'upstream_transport_failure_reason'],
]
