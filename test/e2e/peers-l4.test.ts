/**
 * L4 with peers that nobody here wrote: passthrough and terminated TLS to nginx and HAProxy, TCP
 * through HAProxy, socat and bash at both ends of TCP and UDP.
 */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { type Backend, startTcpBackend } from '../../demo/backends.ts'
import { testAuthority, testCertificate } from '../support/certificates.ts'
import { caConfigMap } from '../support/client-certificates.ts'
import { command, shell } from '../support/command.ts'
import { type Daemon, ownAddress, startDaemon } from '../support/daemon.ts'
import {
  backendRef,
  gateway,
  type Manifest,
  service,
  tcpRoute,
  tlsListener,
  tlsRoute,
  tlsSecret,
  udpListener,
  udpRoute,
  udpService,
  yaml,
} from '../support/manifests.ts'
import {
  missing,
  type RealServer,
  startHaproxy,
  startNginx,
  startSocat,
  startSocatUdp,
} from '../support/real-servers.ts'

const TLS = 8443
const HAPROXY_TCP = 9000

const NGINX = (address: string) => `
  server {
    listen ${address}:${TLS} ssl;
    ssl_certificate server.pem; ssl_certificate_key server.pem;
    return 200 "nginx $ssl_server_name\\n";
  }`

/** TLS for passthrough; plain TCP to an echo that speaks first. */
const HAPROXY = (address: string, echo: number) => `
frontend tls
  bind ${address}:${TLS} ssl crt server.pem
  http-request return status 200 content-type text/plain lf-string "haproxy %[ssl_fc_sni]\\n"
listen tcp
  mode tcp
  bind ${address}:${HAPROXY_TCP}
  server echo 127.0.0.1:${echo}`

/** TCP listeners by port, and the socat addresses of the servers behind them. */
const SOCATS = {
  /** Answers when its input has ended. */
  digest: { port: 9101, server: 'EXEC:"sha256sum"' },
  /** Speaks first, ends its own half, and still listens. */
  early: { port: 9102, server: 'FILE:greeting!!OPEN:received,creat,append' },
  /** Says a lot at once. */
  large: { port: 9103, server: 'SYSTEM:"head -c 3000000 /dev/zero"' },
} as const
const UDP = 5353

function endpoint(address: string, port: number): readonly Pick<Backend, 'address' | 'port'>[] {
  return [{ address, port }]
}

function backendTlsPolicy(name: string, hostname: string): Manifest {
  const caCertificateRefs = [{ group: '', kind: 'ConfigMap', name: 'ours' }]
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'BackendTLSPolicy',
    metadata: { name },
    spec: {
      targetRefs: [{ group: '', kind: 'Service', name }],
      validation: { caCertificateRefs, hostname },
    },
  }
}

describe('L4 peers', { skip: missing('nginx', 'haproxy', 'socat') }, () => {
  const [nginx, haproxy, socat] = [ownAddress(), ownAddress(), ownAddress()]
  const servers: RealServer[] = []
  let echo: Backend
  let daemon: Daemon
  let early: RealServer

  before(async () => {
    echo = await startTcpBackend('echo')
    const names = ['nginx.pass.test', 'haproxy.pass.test', 'app.internal']
    const { certPem, keyPem } = await testCertificate(names)
    const files = { 'server.pem': `${certPem}${keyPem}` }
    servers.push(await startNginx(nginx, TLS, NGINX(nginx), files))
    servers.push(await startHaproxy(haproxy, TLS, HAPROXY(haproxy, echo.port), files))
    for (const [name, { port, server }] of Object.entries(SOCATS)) {
      const started = await startSocat(socat, port, server, { greeting: 'hello\n' })
      servers.push(started)
      if (name === 'early') early = started
    }
    servers.push(await startSocatUdp(socat, UDP, 'SYSTEM:"read n; echo $SOCAT_PEERPORT $n"'))
    daemon = await startDaemon({ files: { 'all.yaml': await manifests() } })
  })
  after(async () => {
    assert.equal(await daemon.stop(), 0)
    for (const server of servers) await server.close()
    await echo.close()
  })

  async function manifests(): Promise<string> {
    const tcp = { tcp: HAPROXY_TCP, ...portsOf(SOCATS) }
    const listeners = Object.entries(tcp).map(([name, port]) => ({ name, port, protocol: 'TCP' }))
    return yaml(
      gateway([
        tlsListener('pass', TLS, '*.pass.test', 'passthrough'),
        tlsListener('ended', TLS, '*.ended.test', ['ended']),
        ...listeners,
        udpListener('udp', UDP),
      ]),
      tlsSecret('ended', await testCertificate(['*.ended.test'])),
      caConfigMap('ours', (await testAuthority()).certPem),
      ...(
        [
          ['nginx', nginx],
          ['haproxy', haproxy],
        ] as const
      ).flatMap(([name, address]) => [
        ...service(name, 443, endpoint(address, TLS)),
        ...service(`${name}-again`, 443, endpoint(address, TLS)),
        backendTlsPolicy(`${name}-again`, 'app.internal'),
        tlsRoute(name, [`${name}.pass.test`], [backendRef(name, 443)], { sectionName: 'pass' }),
        tlsRoute(`${name}-again`, [`${name}.ended.test`], [backendRef(`${name}-again`, 443)], {
          sectionName: 'ended',
        }),
      ]),
      ...service('tcp', 80, endpoint(haproxy, HAPROXY_TCP)),
      ...Object.entries(SOCATS).flatMap(([name, { port }]) =>
        service(name, 80, endpoint(socat, port)),
      ),
      ...Object.keys(tcp).map((name) => tcpRoute(name, [backendRef(name)], { sectionName: name })),
      udpRoute('udp', [backendRef('udp', 53)], { sectionName: 'udp' }),
      ...udpService('udp', 53, UDP, socat),
    )
  }

  /** What a TLS client gets for a bare request by this name. */
  async function tlsAnswer(name: string): Promise<string> {
    const at = ['--resolve', `${name}:${TLS}:${daemon.address}`]
    return (await command('curl', ['-sS', '-k', ...at, `https://${name}:${TLS}/`])).stdout
  }

  for (const server of ['nginx', 'haproxy']) {
    it(`${server}: TLS passes through, with its own certificate`, async () => {
      const name = `${server}.pass.test`
      assert.equal(await tlsAnswer(name), `${server} ${name}\n`)
      const { stdout } = await command(
        'openssl',
        ['s_client', '-connect', `${daemon.address}:${TLS}`, '-servername', name],
        { input: '' },
      )
      assert.match(stdout, /subject=CN = nginx\.pass\.test/)
    })

    it(`${server}: TLS ends here and begins again, under another name`, async () => {
      assert.equal(await tlsAnswer(`${server}.ended.test`), `${server} app.internal\n`)
    })
  }

  it('HAProxy: a server behind it speaks first, and answers after the client’s end', async () => {
    const script = `exec 3<>/dev/tcp/${daemon.address}/${HAPROXY_TCP}; read -r hello <&3; echo "$hello"; echo a line >&3; read -r line <&3; echo "$line"`
    assert.equal((await shell(script)).stdout, 'echo says hello\na line\n')
    const { stdout } = await socatTo(HAPROXY_TCP, Buffer.from('to the end\n'))
    assert.equal(stdout, 'echo says hello\nto the end\n')
  })

  function socatTo(port: number, input: Buffer) {
    // -t: how long to wait for the other half after one has ended.
    return command('socat', ['-t', '60', '-', `TCP:${daemon.address}:${port}`], {
      input,
      timeoutMs: 60_000,
    })
  }

  it('socat: the client ends its half, the answer comes then', async () => {
    const input = randomBytes(2_000_000)
    const { stdout } = await socatTo(SOCATS.digest.port, input)
    assert.equal(stdout, `${createHash('sha256').update(input).digest('hex')}  -\n`)
  })

  it('socat: the server ends its half, the client goes on', async () => {
    // cat ends with the server's half; what is written after that must arrive.
    const script = `exec 3<>/dev/tcp/${daemon.address}/${SOCATS.early.port}; cat <&3; echo after the end >&3`
    assert.equal((await shell(script)).stdout, 'hello\n')
    await early.wrote('received', 'after the end\n')
  })

  it('socat: a server that speaks at once and closes loses nothing', async () => {
    const { stdout } = await socatTo(SOCATS.large.port, Buffer.alloc(0))
    assert.equal(stdout.length, 3_000_000)
  })

  it('bash and socat: several datagrams of one client, each answered', async () => {
    const ask =
      'exec 3<>/dev/udp/{address}/{port}; for n in 1 2 3; do echo $n >&3; dd bs=2048 count=1 <&3 2>/dev/null; done'
    const script = ask.replace('{address}', daemon.address).replace('{port}', String(UDP))
    const { stdout } = await shell(script, { timeoutMs: 60_000 })
    const [flow] = stdout.split(' ')
    assert.equal(stdout, [1, 2, 3].map((n) => `${flow} ${n}\n`).join(''), 'all in one flow')
  })
})

function portsOf(servers: Readonly<Record<string, { readonly port: number }>>) {
  return Object.fromEntries(Object.entries(servers).map(([name, { port }]) => [name, port]))
}
