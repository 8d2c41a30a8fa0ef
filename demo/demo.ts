/**
 * `npm start`: gwproxy on a demo directory, with backends and a local authority made on the spot.
 * Prints the commands that show each row of the README's table; lines that start with `$ ` are
 * commands (a test runs every one of them).
 */
import { spawn } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { createCertificateAuthority } from '../src/wire/issue-certificate.ts'
import { startH2cBackend, startHttpBackend, startTcpBackend, startTlsBackend } from './backends.ts'
import {
  backendsYaml,
  DEMO_CERTIFICATES,
  type DemoBackends,
  gatewayYaml,
  HTTP_PORT,
  ROUTES_YAML,
  TLS_PORT,
} from './manifests.ts'

const ROOT = resolve(import.meta.dirname, '..')
const HOME = resolve(process.env['GWPROXY_DEMO_DIR'] ?? join(ROOT, '.demo'))
const ADDRESS = process.env['GWPROXY_DEMO_ADDRESS'] ?? '127.0.0.1'

await main()

async function main(): Promise<void> {
  const backends = await prepare()
  const gwproxy = spawn(
    join(ROOT, 'bin/gwproxy'),
    [
      'run',
      ...['--config', join(HOME, 'config')],
      ...['--admin', `unix:${join(HOME, 'admin.sock')}`],
      ...['--metrics', 'off'],
      ...process.argv.slice(2),
    ],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
  )
  gwproxy.on('message', (message) => {
    if (message === 'ready') process.stdout.write(guide())
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => gwproxy.kill('SIGTERM'))
  }
  gwproxy.on('exit', (code) => {
    void Promise.all(Object.values(backends).map((backend) => backend.close())).then(() =>
      process.exit(code ?? 1),
    )
  })
}

/** Authority, certificates, backends and manifests, all new at each start. */
async function prepare(): Promise<DemoBackends> {
  for (const name of ['config', 'certs']) rmSync(join(HOME, name), { recursive: true, force: true })
  mkdirSync(join(HOME, 'config'), { recursive: true })
  const authority = await createCertificateAuthority('gwproxy demo CA')
  writeFileSync(join(HOME, 'ca.crt'), authority.certPem)
  for (const [directory, dnsNames] of Object.entries(DEMO_CERTIFICATES)) {
    const leaf = await authority.issue({ commonName: dnsNames[0] ?? directory, dnsNames })
    mkdirSync(join(HOME, 'certs', directory), { recursive: true })
    writeFileSync(join(HOME, 'certs', directory, 'fullchain.pem'), leaf.certPem)
    writeFileSync(join(HOME, 'certs', directory, 'privkey.pem'), leaf.keyPem, { mode: 0o600 })
  }
  const secure = await authority.issue({
    commonName: 'secure.demo.test',
    dnsNames: ['secure.demo.test'],
  })
  const backends = {
    secure: await startTlsBackend('secure', secure),
    echo: await startTcpBackend('echo'),
    web: await startHttpBackend('web'),
    canary: await startHttpBackend('canary'),
    h2c: await startH2cBackend('h2c'),
  }
  writeFileSync(join(HOME, 'config/gateway.yaml'), gatewayYaml(ADDRESS))
  writeFileSync(join(HOME, 'config/routes.yaml'), ROUTES_YAML)
  writeFileSync(join(HOME, 'config/backends.yaml'), backendsYaml(backends))
  return backends
}

function guide(): string {
  const home = relative(process.cwd(), HOME) || '.'
  const ca = join(home, 'ca.crt')
  const curl = (host: string, port: number, rest: string): string =>
    `curl -sS --cacert ${ca} --resolve ${host}:${port}:${ADDRESS} ${rest}`
  const https = (path: string): string => `https://web.demo.test:${TLS_PORT}${path}`
  const http = (path: string): string => `http://web.demo.test:${HTTP_PORT}${path}`
  const webSocket =
    '-H "Connection: Upgrade" -H "Upgrade: websocket" -H "Sec-WebSocket-Version: 13" -H "Sec-WebSocket-Key: Z3dwcm94eSBkZW1vIGtleQ=="'
  const rows: readonly (readonly [title: string, commands: readonly string[]])[] = [
    [
      'TLS Passthrough + TLSRoute: the certificate is the backend’s own',
      [
        curl('secure.demo.test', TLS_PORT, `https://secure.demo.test:${TLS_PORT}/`),
        `openssl s_client -connect ${ADDRESS}:${TLS_PORT} -servername secure.demo.test -CAfile ${ca} -verify_return_error -brief </dev/null`,
      ],
    ],
    [
      'TLS Terminate + TLSRoute: TLS ends here, the backend sees plain bytes',
      [
        `(printf 'over tls\\n'; sleep 1) | openssl s_client -connect ${ADDRESS}:${TLS_PORT} -servername echo.demo.test -CAfile ${ca} -verify_return_error -quiet -no_ign_eof`,
      ],
    ],
    [
      'HTTPS + HTTPRoute: HTTP/1.1, HTTP/2, redirect, WebSocket, another name with the wildcard certificate',
      [
        curl('web.demo.test', TLS_PORT, `--http1.1 '${https('/hello?a=1')}'`),
        curl('web.demo.test', TLS_PORT, `--http2 '${https('/hello')}'`),
        curl('web.demo.test', TLS_PORT, `-i '${https('/old/page')}'`),
        curl('web.demo.test', TLS_PORT, `--http2 '${https('/h2c')}'`),
        `${curl('web.demo.test', TLS_PORT, `--http1.1 -i -N --max-time 1 ${webSocket} '${https('/ws')}'`)} || true`,
        curl('any.demo.test', TLS_PORT, `https://any.demo.test:${TLS_PORT}/`),
      ],
    ],
    [
      'HTTP + HTTPRoute: the same without TLS, HTTP/2 by prior knowledge',
      [
        curl('web.demo.test', HTTP_PORT, `'${http('/hello')}'`),
        curl('web.demo.test', HTTP_PORT, `--http2-prior-knowledge '${http('/hello')}'`),
      ],
    ],
    [
      'What it thinks of its files',
      [
        `bin/gwproxy status --admin unix:${join(home, 'admin.sock')}`,
        `bin/gwproxy check --config ${join(home, 'config')}`,
      ],
    ],
  ]
  const shown = rows.map(
    ([title, commands]) => `${title}\n${commands.map((command) => `$ ${command}\n`).join('')}`,
  )
  return `
gwproxy serves the demo in ${home}/config. In another terminal, in this folder:

${shown.join('\n')}
Edit a file in ${home}/config and watch it take effect. To serve your own directory:

    bin/gwproxy check --config DIR
    bin/gwproxy run --config DIR

Ctrl-C ends the demo.
`
}
