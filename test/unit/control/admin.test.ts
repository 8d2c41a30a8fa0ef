/** The admin interface: addresses, who may speak, the unix socket, what a client is told. */
import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request, type Server } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  addressText,
  defaultAdminAddress,
  findAdminAddress,
  parseAdminAddress,
  parseMetricsAddress,
} from '../../../src/control/admin/address.ts'
import { AdminClient } from '../../../src/control/admin/client.ts'
import {
  createHttpListener,
  type Endpoints,
  json,
} from '../../../src/control/admin/http-listener.ts'
import { adminRules, listen } from '../../../src/control/admin/listen.ts'
import { redact } from '../../../src/control/admin/redact.ts'

const ENDPOINTS: Endpoints = {
  '/livez': { method: 'GET', answer: () => json(200, { state: 'alive' }) },
  '/open': { method: 'GET', isPublic: true, answer: () => json(200, {}) },
  '/echo': { method: 'GET', answerFor: (query) => json(200, { q: query.get('q') }) },
  '/fails': { method: 'GET', answer: () => Promise.reject(new Error('no such luck')) },
  '/drain': { method: 'POST', answer: () => json(202, { state: 'draining' }) },
}

describe('addresses', () => {
  it('are read and written', () => {
    for (const text of ['unix:/run/x.sock', '127.0.0.1:9000', '[::1]:9000', 'localhost:1', 'off']) {
      assert.equal(addressText(parseAdminAddress(text)), text)
    }
  })

  for (const text of [
    '',
    'unix:',
    'host.test:80',
    '127.0.0.1',
    '127.0.0.1:99999',
    '::1:80',
    '[::1]',
  ]) {
    it(`${JSON.stringify(text)} is refused`, () => {
      assert.throws(() => parseAdminAddress(text), { code: 'GWP_OPTION_INVALID' })
    })
  }

  it('a unix path longer than the system takes is refused', () => {
    assert.throws(() => parseAdminAddress(`unix:/${'x'.repeat(107)}`), {
      code: 'GWP_OPTION_INVALID',
    })
  })

  it('metrics have no unix socket', () => {
    assert.throws(() => parseMetricsAddress('unix:/x'), { code: 'GWP_OPTION_INVALID' })
  })

  it('the default is where this user keeps runtime files', () => {
    const path = (environment: Record<string, string>, uid: number): string =>
      defaultAdminAddress(environment, uid).path
    assert.equal(path({ RUNTIME_DIRECTORY: '/run/a:/run/b' }, 7), '/run/a/admin.sock')
    assert.equal(path({}, 0), '/run/gwproxy/admin.sock')
    assert.equal(path({ XDG_RUNTIME_DIR: '/run/user/7' }, 7), '/run/user/7/gwproxy/admin.sock')
    assert.equal(path({}, 7), join(tmpdir(), 'gwproxy-7/admin.sock'))
  })

  it('the CLI looks there, or for the service of the machine when this user runs none', () => {
    const found = (...there: readonly string[]): string =>
      findAdminAddress((path) => there.includes(path), { XDG_RUNTIME_DIR: '/run/user/7' }, 7).path
    const own = '/run/user/7/gwproxy/admin.sock'
    assert.equal(found(own, '/run/gwproxy'), own)
    assert.equal(found('/run/gwproxy'), '/run/gwproxy/admin.sock')
    assert.equal(found(), own)
  })

  it('an address that others reach needs a token', () => {
    const open = { kind: 'tcp', host: '0.0.0.0', port: 1 } as const
    assert.throws(() => adminRules(open, undefined), /GWPROXY_ADMIN_TOKEN/)
    assert.equal(adminRules(open, 's3cret').token, 's3cret')
  })
})

describe('the listener on TCP', () => {
  let server: Server
  let port = 0
  before(async () => {
    const address = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const
    server = createHttpListener(ENDPOINTS, adminRules(address, 's3cret'))
    await listen(server, address)
    port = (server.address() as AddressInfo).port
  })
  after(() => server.close())

  function ask(
    path: string,
    headers: Record<string, string>,
    method = 'GET',
  ): Promise<{ status: number; headers: Record<string, unknown> }> {
    return new Promise((resolve, reject) => {
      request({ port, host: '127.0.0.1', path, method, headers, agent: false }, (answer) => {
        answer.resume()
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers })
      })
        .on('error', reject)
        .end()
    })
  }

  const authorization = 'Bearer s3cret'

  it('answers whoever has the token', async () => {
    assert.equal((await ask('/livez', { authorization })).status, 200)
    assert.equal((await ask('/livez', {})).status, 401)
    assert.equal((await ask('/livez', { authorization: 'Bearer s3cres' })).status, 401)
  })

  it('refuses a foreign Host: DNS rebinding', async () => {
    assert.equal((await ask('/livez', { authorization, host: 'evil.test' })).status, 403)
    assert.equal((await ask('/livez', { authorization, host: `[::1]:${port}` })).status, 200)
    assert.equal((await ask('/livez', { authorization, host: 'LOCALHOST' })).status, 200)
  })

  it('refuses web pages, and allows no origin', async () => {
    const answer = await ask('/drain', { authorization, origin: 'http://localhost' }, 'POST')
    assert.equal(answer.status, 403)
    assert.equal('access-control-allow-origin' in answer.headers, false)
  })

  it('knows its paths and methods only', async () => {
    assert.equal((await ask('/nowhere', { authorization })).status, 404)
    assert.equal((await ask('/__proto__', { authorization })).status, 404)
    assert.equal((await ask('/drain', { authorization })).status, 405)
    assert.equal((await ask('/livez', { authorization }, 'POST')).status, 405)
    assert.equal((await ask('/livez?x=1', { authorization }, 'HEAD')).status, 200)
  })

  it('what is public needs no token, and keeps the other defences', async () => {
    assert.equal((await ask('/open', {})).status, 200)
    assert.equal((await ask('/open', { host: 'evil.test' })).status, 403)
    assert.equal((await ask('/open', { origin: 'http://localhost' })).status, 403)
    assert.equal((await ask('/echo', {})).status, 401)
  })

  it('hands on the query, and tells browsers to run and frame nothing foreign', async () => {
    const client = new AdminClient({ kind: 'tcp', host: '127.0.0.1', port }, { token: 's3cret' })
    assert.deepEqual(await client.get('/echo?q=a%26b'), { q: 'a&b' })
    const { headers } = await ask('/echo', { authorization })
    const policy = String(headers['content-security-policy'])
    for (const part of ["default-src 'none'", "frame-ancestors 'none'", "script-src 'self'"]) {
      assert.ok(policy.split('; ').includes(part), policy)
    }
    assert.doesNotMatch(policy, /unsafe|\*/)
    assert.equal(headers['x-content-type-options'], 'nosniff')
  })

  it('an endpoint that fails answers 500 with its message', async () => {
    const client = new AdminClient({ kind: 'tcp', host: '127.0.0.1', port }, { token: 's3cret' })
    assert.deepEqual(await client.send('GET', '/fails'), {
      status: 500,
      body: { error: 'no such luck' },
    })
    await assert.rejects(client.get('/fails'), /answered 500 to \/fails: no such luck/)
  })
})

describe('the unix socket', () => {
  let directory: string
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'gwproxy-admin-'))
  })
  after(() => rmSync(directory, { recursive: true }))

  async function open(path: string): Promise<Server> {
    const server = createHttpListener(ENDPOINTS, adminRules({ kind: 'unix', path }, undefined))
    await listen(server, { kind: 'unix', path })
    return server
  }

  it('is 0660, in a directory made for it, and gone with the server', async () => {
    const path = join(directory, 'new', 'admin.sock')
    const server = await open(path)
    assert.equal(statSync(path).mode & 0o777, 0o660)
    const client = new AdminClient({ kind: 'unix', path })
    assert.deepEqual(await client.get('/livez'), { state: 'alive' })
    server.close()
    server.closeAllConnections()
    await assert.rejects(client.get('/livez'), {
      code: 'GWP_ADMIN_UNREACHABLE',
      message: /no gwproxy answers at unix:.*gwproxy run/,
    })
  })

  it('refuses a foreign Host: ssh may bring it to a port beside a browser', async () => {
    const path = join(directory, 'host.sock')
    const server = await open(path)
    const statusOf = (host: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const asked = request({ socketPath: path, path: '/livez', headers: { host } }, (answer) => {
          answer.resume()
          resolve(answer.statusCode)
        })
        asked.on('error', reject).end()
      })
    assert.equal(await statusOf('evil.test:9465'), 403)
    assert.equal(await statusOf('localhost:9465'), 200)
    server.close()
  })

  it('replaces a leftover, but never a socket that answers', async () => {
    const path = join(directory, 'left.sock')
    const holder = createServer().listen(path)
    await assert.rejects(open(path), {
      code: 'GWP_BIND_FAILED',
      message: /another process answers/,
    })
    // A file that is no live socket any more.
    await new Promise((resolve) => holder.close(resolve))
    const dead = createServer().listen(path)
    await new Promise((resolve) => dead.once('listening', resolve))
    const server = await openOver(path, dead)
    server.close()
  })

  /** Leaves the socket file behind, as a killed process does. */
  async function openOver(path: string, dead: ReturnType<typeof createServer>): Promise<Server> {
    renameSync(path, `${path}.kept`)
    await new Promise((resolve) => dead.close(resolve))
    renameSync(`${path}.kept`, path)
    return open(path)
  }

  it('does not take a plain file for a leftover', async () => {
    const path = join(directory, 'plain.sock')
    writeFileSync(path, 'precious')
    await assert.rejects(open(path), /is no socket/)
    assert.equal(statSync(path).size, 8)
  })
})

describe('redact', () => {
  it('hides PEM and credentials in header filters, and nothing else', () => {
    const hidden = '[redacted]'
    assert.deepEqual(
      redact({
        chainPem: '-----BEGIN CERTIFICATE-----\nabc',
        set: [
          { name: 'Authorization', value: 'Bearer x' },
          { name: 'x-trace', value: 'on' },
        ],
      }),
      {
        chainPem: '[PEM]',
        set: [
          { name: 'Authorization', value: hidden },
          { name: 'x-trace', value: 'on' },
        ],
      },
    )
  })
})
