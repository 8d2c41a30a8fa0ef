/** HTTP/2 clients that nobody here wrote, against ours: browsers, curl, nghttp2's tools. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { startChromium } from '../support/chromium.ts'
import { command } from '../support/command.ts'
import { type Origin, startOrigin } from '../support/http-origin.ts'
import { startProxy, type TestProxy } from '../support/http-proxy.ts'
import { missing } from '../support/real-servers.ts'

const LARGE = randomBytes(5 << 20)
const ICONS = 150

/** A page of many pieces, each of which says in what protocol it came. */
const PAGE = `<!doctype html><title>page</title><link rel=icon href=data:>
<script>
  Promise.all(Array.from({ length: ${ICONS} }, (_, i) => fetch('/echo?' + i, { method: 'POST', body: 'piece ' + i })
    .then((answer) => answer.text())))
    .then((texts) => {
      const entries = performance.getEntriesByType('resource').filter(({ name }) => name.includes('/echo'))
      window.result = {
        whole: texts.filter((text, i) => text === 'piece ' + i).length,
        protocols: [...new Set(entries.map(({ nextHopProtocol }) => nextHopProtocol))],
      }
    })
</script>`

describe('HTTP/2 clients of others', () => {
  let origin: Origin
  const proxies = new Map<string, TestProxy>()
  const directory = mkdtempSync(join(tmpdir(), 'gwproxy-clients-'))
  const file = join(directory, 'large')
  before(async () => {
    writeFileSync(file, LARGE)
    origin = await startOrigin((request, response) => {
      if (request.url?.startsWith('/echo')) request.pipe(response)
      else if (request.url === '/large') response.end(LARGE)
      else if (request.url === '/trailers') withTrailers(response)
      else {
        response.setHeader('content-type', 'text/html')
        response.end(PAGE)
      }
    })
    for (const [name, tls] of [
      ['cleartext', false],
      ['TLS', true],
    ] as const) {
      const rules = [{ ports: [origin.port] }]
      proxies.set(name, await startProxy({ tls, listeners: [{ hostname: '', rules }] }))
    }
  })
  after(async () => {
    for (const proxy of proxies.values()) await proxy[Symbol.asyncDispose]()
    origin[Symbol.dispose]()
    rmSync(directory, { recursive: true })
  })

  const ways = { cleartext: '--http2-prior-knowledge', TLS: '--http2' } as const
  for (const [name, flag] of Object.entries(ways)) {
    const proxyOf = (): TestProxy => {
      const proxy = proxies.get(name)
      assert.ok(proxy !== undefined)
      return proxy
    }
    const curl = async (path: string, ...args: readonly string[]) => {
      const { code, stdout, stderr } = await command('curl', [
        ...['-sSk', flag, '--max-time', '30', ...args, `${proxyOf().origin}${path}`],
      ])
      assert.equal(code, 0, stderr)
      return stdout
    }

    describe(name, () => {
      it('curl: head and body, HEAD, trailers', async () => {
        assert.equal(
          await curl('/', '-o', '/dev/null', '-w', '%{http_version} %{http_code}'),
          '2 200',
        )
        assert.match(await curl('/', '-I'), /^HTTP\/2 200 \r\n/)
        assert.match(await curl('/trailers', '-i'), /\r\n\r\nbodyx-sum: abc\r\n/)
      })

      it('curl: large bodies, both ways at once, stay whole', async () => {
        const out = join(directory, `out-${name}`)
        await curl('/large', '-o', out)
        assert.equal(digest(readFileSync(out)), digest(LARGE))
        await curl('/echo', '-o', out, '--data-binary', `@${file}`)
        assert.equal(digest(readFileSync(out)), digest(LARGE))
        await curl('/echo', '-o', out, '-T', file, '--limit-rate', '20M')
        assert.equal(digest(readFileSync(out)), digest(LARGE))
      })

      // In the clear curl 7.88 fails with any server.
      it('curl: many at once on a connection', { skip: name === 'cleartext' }, async () => {
        const urls = Array.from({ length: 50 }, (_, i) => `${proxyOf().origin}/echo?${i}`)
        const text = await curl('/echo', '-Z', '--parallel-max', '50', '-d', 'some.', ...urls)
        assert.equal(text, 'some.'.repeat(51))
      })

      it('h2load: thousands of requests', { skip: missing('h2load') }, async () => {
        for (const [path, windows] of [
          ['/echo', []],
          ['/large', ['-w', '10', '-W', '14']],
        ] as const) {
          const count = path === '/large' ? '40' : '5000'
          const body = path === '/large' ? [] : ['-d', '/etc/hostname']
          const { stdout } = await command('h2load', [
            ...['-n', count, '-c', '8', '-m', '32', ...windows, ...body],
            `${proxyOf().origin}${path}`,
          ])
          assert.match(stdout, new RegExp(`${count} succeeded, 0 failed, 0 errored, 0 timeout`))
        }
      })

      it('nghttp: padding, small windows, uploads', { skip: missing('nghttp') }, async () => {
        const url = `${proxyOf().origin}/echo`
        for (const flags of [
          ['-b', '255'],
          ['-w', '12', '-W', '12'],
          ['--no-dep', '--header-table-size=0'],
          ['--max-concurrent-streams=1', '-m', '3'],
        ]) {
          const args = ['--no-verify-peer', '-s', '-n', ...flags, '-d', file, url]
          const { code, stdout, stderr } = await command('nghttp', args)
          assert.equal(code, 0, stderr)
          assert.match(stdout, /\s200\s+5M?\s/, stdout)
        }
      })
    })
  }

  it('Chromium: a page of many pieces, all over HTTP/2', {
    skip: missing('chromium'),
  }, async () => {
    const browser = await startChromium(['--ignore-certificate-errors'])
    try {
      const page = await browser.open(`${proxies.get('TLS')?.origin}/`)
      await page.waitFor('window.result !== undefined')
      assert.deepEqual(await page.evaluate('window.result'), { whole: ICONS, protocols: ['h2'] })
    } finally {
      await browser.close()
    }
  })

  it('left nothing that was not whole', () => {
    for (const { records } of proxies.values()) {
      const reasons = new Set(records.map(({ reason }) => reason))
      assert.deepEqual([...reasons], ['completed'])
    }
  })
})

function withTrailers(response: ServerResponse): void {
  response.writeHead(200, { trailer: 'x-sum' })
  response.write('body')
  response.addTrailers({ 'x-sum': 'abc' })
  response.end()
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
