/** What the texts of the HTTP examples promise. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import type http from 'node:http'
import { join } from 'node:path'
import { testAuthority, testCertificate } from '../certificates.ts'
import { curl } from '../command.ts'
import { until } from '../until.ts'
import { httpServer, serverOf, webServers } from './backends.ts'
import type { Closing, Example, Folder, Running } from './example.ts'
import { externalAuth } from './external-auth.ts'
import { sessions } from './sessions.ts'

interface Seen {
  readonly port: number
  readonly headers: http.IncomingHttpHeaders
}

/** Backends that remember what they were asked, and answer with their port. */
function recording(folder: Folder, ports: readonly number[], seen: Seen[]): Promise<Closing[]> {
  return Promise.all(
    ports.map((port) =>
      httpServer(folder, port, ({ headers }, response) => {
        seen.push({ port, headers })
        response.end(`${port}\n`)
      }),
    ),
  )
}

/** `count` answers, one after another, to plain requests for this host. */
async function answers(running: Running, host: string, count: number): Promise<string[]> {
  const url = `http://${running.address}:8080/`
  const urls = Array.from({ length: count }, () => url)
  const { stdout } = await curl(['-H', `Host: ${host}`, '-w', '\n--\n', ...urls])
  return stdout.split('\n--\n').slice(0, count)
}

const canary: Example = {
  name: 'canary',
  backends: (folder) => webServers(folder, { 9000: 'shop', 9001: 'next' }),
  async check(running, [plain, tester]) {
    assert.match(plain?.stdout ?? '', /"backend": "(?:shop|next)"/)
    assert.match(tester?.stdout ?? '', /"backend": "next"/)
    const names = (await answers(running, 'canary.example.test', 30)).map(serverOf)
    for (const ten of [names.slice(0, 10), names.slice(10, 20), names.slice(20)]) {
      assert.deepEqual(ten.filter((name) => name !== 'shop').length, 1, `${ten}`)
    }
    await running.edit('canary.yaml', 'weight: 90', 'weight: 0')
    assert.deepEqual((await answers(running, 'canary.example.test', 2)).map(serverOf), [
      'next',
      'next',
    ])
  },
}

function mirror(): Example {
  const seen: Seen[] = []
  return {
    name: 'mirror',
    backends: (folder) => recording(folder, [9000, 9001], seen),
    async check(running, [first]) {
      assert.equal(first?.stdout, '9000\n')
      const texts = await answers(running, 'mirror.example.test', 29)
      assert.deepEqual(new Set(texts), new Set(['9000\n']))
      const copies = () => seen.filter(({ port }) => port === 9001)
      await until(() => copies().length >= 3)
      assert.equal(seen.filter(({ port }) => port === 9000).length, 30)
      assert.deepEqual(
        copies().map(({ headers }) => headers['x-env']),
        ['production', 'production', 'production'],
      )
    },
  }
}

function cors(): Example {
  const seen: Seen[] = []
  return {
    name: 'cors',
    backends: (folder) => recording(folder, [9000], seen),
    async check(running, [app, partner, evil]) {
      assert.match(app?.stdout ?? '', / 204 [\s\S]*allow-origin: https:\/\/app\.example\.test\r\n/i)
      assert.match(app?.stdout ?? '', /allow-methods: GET, PUT, DELETE\r\n/i)
      assert.match(
        partner?.stdout ?? '',
        / 204 [\s\S]*allow-origin: https:\/\/x\.y\.partner\.test\r/i,
      )
      assert.doesNotMatch(evil?.stdout ?? 'allow-origin', /allow-origin/i)
      assert.deepEqual(seen, [], 'the API never sees a preflight')
      const origin = ['-H', 'Host: cors.example.test', '-H', 'Origin: https://app.example.test']
      const { stdout } = await curl(['-i', ...origin, `http://${running.address}:8080/`])
      assert.match(stdout, /allow-credentials: true\r\n[\s\S]*9000\n$/i)
    },
  }
}

const redirectHttps: Example = {
  name: 'redirect-https',
  backends: async () => [],
  async check(_running, [answer]) {
    assert.match(answer?.stdout ?? '', /^HTTP\/1\.1 308 /)
    assert.match(answer?.stdout ?? '', /\nlocation: https:\/\/www\.example\.test:8443\/a\?b=1\r/i)
  },
}

const listenerSet: Example = {
  name: 'listener-set',
  backends: (folder) => webServers(folder, { 9000: 'shop' }),
  async check(_running, [team, platform]) {
    assert.equal(serverOf(team?.stdout), 'shop')
    assert.match(platform?.stdout ?? '', / 302 [\s\S]*\nlocation: http:\/\/shop\.example\.com/i)
  },
}

const default404: Example = {
  name: 'default-404',
  backends: async (folder) => [
    await httpServer(folder, 9404, (_, r) => r.writeHead(404).end('<h1>Nothing here</h1>')),
    ...(await webServers(folder, { 9000: 'shop' })),
  ],
  async check(_running, [nobody, elsewhere, shop, plain]) {
    for (const answer of [nobody, elsewhere]) {
      assert.match(
        answer?.stdout ?? '',
        / 404 [\s\S]*\ncache-control: no-store\r[\s\S]*Nothing here/i,
      )
    }
    assert.equal(serverOf(shop?.stdout), 'shop')
    assert.match(plain?.stdout ?? '', / 404 [\s\S]*no-route/)
  },
}

const maintenance: Example = {
  name: 'maintenance',
  backends: async (folder) => [
    await httpServer(folder, 9503, (_, r) => r.writeHead(503).end('Back at ten.\n')),
    ...(await webServers(folder, { 9000: 'shop' })),
  ],
  async check(running, shown) {
    assert.deepEqual(
      shown.map(({ stdout }) => serverOf(stdout)),
      ['shop', 'shop'],
    )
    await running.edit('maintenance.yaml', 'weight: 1 }', 'weight: 0 }')
    await running.edit('maintenance.yaml', 'weight: 0 #', 'weight: 1 #')
    const host = ['-i', '-H', 'Host: maintenance.example.test']
    const url = `http://${running.address}:8080/`
    const everybody = await curl([...host, url])
    assert.match(everybody.stdout, / 503 [\s\S]*\nretry-after: 600\r[\s\S]*Back at ten/i)
    const operator = await curl([...host, '-H', 'X-Operator: yes', url])
    assert.equal(serverOf(operator.stdout), 'shop')
  },
}

const httpsCertbot: Example = {
  name: 'https-certbot',
  waitsFor: /error: .*letsencrypt/,
  backends: (folder) => {
    folder.ports.set(80, 8880).set(443, 8843)
    return webServers(folder, { 8081: 'acme', 3000: 'app' })
  },
  async check(running, [challenge, page]) {
    assert.equal(serverOf(challenge?.stdout), 'acme')
    assert.match(page?.stdout ?? '', / 301 [\s\S]*\nlocation: https:\/\/www\.example\.com\/page\r/i)
    const directory = join(running.directory, 'letsencrypt/live/www.example.com')
    const ca = join(running.directory, 'ca.crt')
    const { certPem, keyPem } = await testCertificate(['www.example.com'])
    mkdirSync(directory, { recursive: true })
    writeFileSync(ca, (await testAuthority()).certPem)
    writeFileSync(join(directory, 'privkey.pem'), keyPem)
    writeFileSync(join(directory, 'fullchain.pem'), certPem)
    // By itself, as after certbot; nobody asks for a reload.
    const at = ['--resolve', `www.example.com:8843:${running.address}`, '--cacert', ca]
    const patience = ['--retry', '100', '--retry-delay', '1', '--retry-all-errors']
    const { stdout } = await curl([...patience, ...at, 'https://www.example.com:8843/'], {
      timeoutMs: 90_000,
    })
    assert.equal(serverOf(stdout), 'app')
  },
}

export const HTTP_EXAMPLES: readonly Example[] = [
  ...[canary, mirror(), cors(), redirectHttps, listenerSet, default404, maintenance, httpsCertbot],
  sessions(),
  externalAuth(),
]
