/** The README's table on a real daemon: each row, all TLS rows side by side on one port. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  type Backend,
  startH2cBackend,
  startHttpBackend,
  startTcpBackend,
  startTlsBackend,
} from '../../demo/backends.ts'
import { WebSocket } from 'ws'
import { testAuthority, testCertificate } from '../support/certificates.ts'
import { type CommandResult, command, curl } from '../support/command.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import {
  backendRef,
  gateway,
  httpListener,
  httpRoute,
  service,
  tcpRoute,
  tlsListener,
  tlsRoute,
  tlsSecret,
  yaml,
} from '../support/manifests.ts'

for (const workers of [0, 2]) {
  describe(`the rows with --workers ${workers}`, () => {
    const backends: Backend[] = []
    let daemon: Daemon
    let caFile = ''

    before(async () => {
      const secure = await startTlsBackend('secure', await testCertificate(['secure.test']))
      const echo = await startTcpBackend('echo')
      const fallback = await startTcpBackend('fallback')
      const web = await startHttpBackend('web')
      const h2c = await startH2cBackend('h2c')
      backends.push(secure, echo, fallback, web, h2c)
      daemon = await startDaemon({
        workers,
        files: {
          'gateway.yaml': yaml(
            gateway([
              tlsListener('pass', 8443, 'secure.test', 'passthrough'),
              tlsListener('term', 8443, '*.tcp.test', ['tcp']),
              tlsListener('web', 8443, 'web.test', ['web'], 'HTTPS'),
              tlsListener('any', 8443, undefined, ['default'], 'HTTPS'),
              httpListener('http', 8080),
            ]),
            tlsSecret('tcp', await testCertificate(['*.tcp.test'])),
            tlsSecret('web', await testCertificate(['web.test'])),
            tlsSecret('default', await testCertificate(['default.test'])),
          ),
          'routes/l4.yaml': yaml(
            tlsRoute('secure', ['secure.test'], [backendRef('secure', 443)], {
              sectionName: 'pass',
            }),
            tlsRoute('echo', ['echo.tcp.test'], [backendRef('echo', 7)], { sectionName: 'term' }),
            tcpRoute('fallback', [backendRef('fallback', 7)], { sectionName: 'term' }),
          ),
          'routes/http.yaml': yaml(
            httpRoute('web', undefined, [
              { matches: [{ path: { value: '/h2c' } }], backendRefs: [backendRef('h2c')] },
              { backendRefs: [backendRef('web')] },
            ]),
          ),
          'backends.yaml': yaml(
            ...service('secure', 443, [secure]),
            ...service('echo', 7, [echo]),
            ...service('fallback', 7, [fallback]),
            ...service('web', 80, [web]),
            ...service('h2c', 80, [h2c], 'kubernetes.io/h2c'),
          ),
        },
      })
      caFile = join(daemon.directory, 'ca.crt')
      writeFileSync(caFile, (await testAuthority()).certPem)
    })

    after(async () => {
      assert.equal(await daemon.stop(), 0)
      for (const backend of backends) await backend.close()
    })

    function https(name: string, path: string, ...args: string[]): Promise<CommandResult> {
      const resolve = ['--resolve', `${name}:8443:${daemon.address}`]
      return curl(['--cacert', caFile, ...resolve, ...args, `https://${name}:8443${path}`])
    }

    /** What the certificate's subject is, and what the server says to `input`. */
    function s_client(
      name: string | undefined,
      input: string,
      inputEndsAfter: RegExp,
    ): Promise<CommandResult> {
      const sni = name === undefined ? ['-noservername'] : ['-servername', name]
      return command(
        'openssl',
        [
          's_client',
          '-connect',
          `${daemon.address}:8443`,
          ...sni,
          '-CAfile',
          caFile,
          '-no_ign_eof',
        ],
        { input, inputEndsAfter },
      )
    }

    it('TLS Passthrough: the backend’s own certificate, both protocols', async () => {
      for (const version of ['--http1.1', '--http2']) {
        const { stdout, stderr } = await https('secure.test', '/x', version)
        assert.match(stdout, /"backend":"secure","path":"\/x","sni":"secure.test"/, stderr)
      }
    })

    it('TLS Terminate with TLSRoute: plain bytes at the backend', async () => {
      const { stdout } = await s_client('echo.tcp.test', 'hello\n', /^hello$/m)
      assert.match(stdout, /subject=CN = \*\.tcp\.test/)
      assert.match(stdout, /echo says hello\n/)
    })

    it('TLS Terminate with TCPRoute: every other name of the listener', async () => {
      const { stdout } = await s_client('other.tcp.test', 'hello\n', /^hello$/m)
      assert.match(stdout, /fallback says hello\n/)
    })

    it('HTTPS: HTTP/1.1 and HTTP/2 with the certificate of the name', async () => {
      for (const version of ['--http1.1', '--http2']) {
        const { stdout, stderr } = await https('web.test', '/path?q=1', version, '-d', 'body')
        const seen = JSON.parse(stdout || '{}')
        assert.equal(seen.path, '/path?q=1', stderr)
        assert.equal(seen.host, 'web.test:8443')
        assert.equal(seen.body, 'body')
        assert.equal(seen.headers['x-forwarded-proto'], 'https')
      }
    })

    it('HTTPS: an unknown name and no name get the default certificate', async () => {
      for (const name of ['unknown.test', undefined]) {
        const { stdout } = await s_client(name, '', /Verify return code/)
        assert.match(stdout, /subject=CN = default\.test/)
      }
    })

    it('HTTPS: an HTTP/2 connection for another listener’s authority is misdirected', async () => {
      const { stdout } = await https(
        'web.test',
        '/',
        ...['--http2', '-k', '-o', '/dev/null', '-w', '%{http_code}', '-H', 'Host: unknown.test'],
      )
      assert.equal(stdout, '421')
    })

    it('WebSocket: text, binary and a megabyte come back', async () => {
      const socket = new WebSocket(`wss://web.test:8443/ws`, {
        lookup: (_name, _options, callback) =>
          callback(null, [{ address: daemon.address, family: 4 }]),
        ca: (await testAuthority()).certPem,
      })
      const received: Buffer[] = []
      await new Promise<void>((resolve, reject) => {
        socket.on('error', reject)
        socket.on('open', () => {
          socket.send('text')
          socket.send(Buffer.alloc(1 << 20, 7))
        })
        socket.on('message', (data: Buffer) => {
          received.push(data)
          if (received.length === 3) socket.close(4000, 'done')
        })
        socket.on('close', (code) => (code === 4000 ? resolve() : reject(new Error(`${code}`))))
      })
      assert.deepEqual(
        received.map((data) => (data.length > 100 ? data.length : data.toString())),
        ['web says hello', 'text', 1 << 20],
      )
    })

    it('HTTP: HTTP/1.1, HTTP/2 by prior knowledge, an HTTP/2 backend', async () => {
      for (const version of ['--http1.1', '--http2-prior-knowledge']) {
        const { stdout, stderr } = await curl([version, `http://${daemon.address}:8080/p`])
        assert.equal(JSON.parse(stdout || '{}').path, '/p', stderr)
      }
      const { stdout } = await curl([`http://${daemon.address}:8080/h2c`])
      assert.match(stdout, /"backend":"h2c".*"httpVersion":"2.0"/)
    })

    it('writes one access line per connection and exchange', async () => {
      await https('secure.test', '/logged')
      const connection = await daemon.line(
        (line) => line['requested_server_name'] === 'secure.test',
        'the passthrough connection’s line',
      )
      // curl may be gone when the backend takes leave of it.
      assert.match(String(connection['reason']), /^(?:completed|client-reset)$/)
      assert.ok(Number(connection['bytes_sent']) > 1000)
      assert.match(String(connection['route_name']), /secure/)
      await https('web.test', '/logged-exchange')
      const exchange = await daemon.line((line) => String(line['path']) === '/logged-exchange')
      assert.equal(exchange['response_code'], 200)
      assert.equal(exchange['tls_version'], 'TLSv1.3')
    })
  })
}
