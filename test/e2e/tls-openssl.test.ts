/**
 * The TLS servers against a client that nobody here wrote. Only `openssl s_client` offers a session
 * under another name, so what crosses trust domains can be seen with it alone.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import type { TlsDomains } from '../../src/data/tls/contract.ts'
import { openTlsDomains } from '../../src/data/tls/domains.ts'
import { Front, Material, terminate } from '../support/tls-domains.ts'

const MISSING = spawnSync('openssl', ['version']).status !== 0 && 'no openssl command'

describe('openssl s_client', { skip: MISSING }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'gwproxy-tls-'))
  const material = new Material()
  let domains: TlsDomains
  let a: ReturnType<typeof terminate>
  let b: ReturnType<typeof terminate>

  before(async () => {
    domains = await openTlsDomains({ warn: assert.fail })
    a = terminate('a', [
      await material.issue(['a.test'], 'ec'),
      await material.issue(['a.test'], 'rsa'),
    ])
    b = terminate('b', [await material.issue(['b.test'])])
  })
  after(() => rmSync(directory, { recursive: true }))

  const open = (t: TestContext, action: typeof a, sni: string, on = domains): Promise<Front> =>
    Front.open(t, on.acquire(action, material.part, material.key), sni)
  const file = (name: string): string => join(directory, name)

  for (const version of ['tls1_2', 'tls1_3'] as const) {
    it(`resumes again and again with the ticket of the time before, ${version}`, async (t) => {
      const front = await open(t, a, 'a.test')
      const session = file(`again-${version}`)
      const args = [`-${version}`, '-servername', 'a.test', '-sess_out', session]
      assert.match(await client(front.port, args), /^New, /m)
      for (let i = 0; i < 3; i++) {
        assert.match(await client(front.port, [...args, '-sess_in', session]), /^Reused, /m)
      }
    })

    it(`never resumes in another trust domain, ${version}`, async (t) => {
      const front = await open(t, a, 'a.test')
      const other = await open(t, b, 'b.test')
      const session = file(`cross-${version}`)
      await client(front.port, [`-${version}`, '-servername', 'a.test', '-sess_out', session])
      const offered = [`-${version}`, '-servername', 'b.test', '-sess_in', session]
      assert.match(await client(other.port, offered), /^New, /m)
      other.sni = undefined
      const nameless = [`-${version}`, '-noservername', '-sess_in', session]
      assert.match(await client(other.port, nameless), /^New, /m)
    })

    it(`resumes in another worker with the same roots, ${version}`, async (t) => {
      const roots = [{ id: '0a0b0c0d', secret: Buffer.alloc(32, 7).toString('base64') }]
      const workers = [
        await openTlsDomains({ warn: assert.fail }),
        await openTlsDomains({ warn: assert.fail }),
      ]
      const session = file(`worker-${version}`)
      const results: string[] = []
      for (const worker of workers) {
        worker.setTicketRoots(roots)
        const front = await open(t, a, 'a.test', worker)
        const args = [`-${version}`, '-servername', 'a.test', '-sess_out', session]
        const resume = results.length > 0 ? ['-sess_in', session] : []
        results.push(await client(front.port, [...args, ...resume]))
      }
      assert.match(results[0] ?? '', /^New, /m)
      assert.match(results[1] ?? '', /^Reused, /m)
    })
  }

  it('gets the certificate of the kind that it can verify', async (t) => {
    const front = await open(t, a, 'a.test')
    for (const [args, type] of [
      [['-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256'], 'RSA-PSS'],
      [['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256'], 'ECDSA'],
      [['-tls1_3', '-sigalgs', 'rsa_pss_rsae_sha256'], 'RSA-PSS'],
      [['-tls1_3', '-sigalgs', 'ecdsa_secp256r1_sha256'], 'ECDSA'],
    ] as const) {
      const output = await client(front.port, ['-servername', 'a.test', ...args])
      assert.match(output, new RegExp(`^Peer signature type: ${type}$`, 'm'))
    }
  })

  it('agrees on the groups that it offers', async (t) => {
    const front = await open(t, a, 'a.test')
    for (const [group, shown] of [
      ['X25519', 'X25519'],
      ['P-256', 'ECDH, prime256v1'],
    ] as const) {
      const output = await client(front.port, ['-servername', 'a.test', '-groups', group])
      assert.match(output, new RegExp(`^Server Temp Key: ${shown}`, 'm'))
    }
  })

  it('is refused old protocols, CBC and static RSA', async (t) => {
    const front = await open(t, a, 'a.test')
    for (const args of [
      ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'],
      ['-tls1_2', '-cipher', 'ECDHE-RSA-AES128-SHA'],
      ['-tls1_2', '-cipher', 'AES128-GCM-SHA256'],
    ]) {
      const output = await client(front.port, ['-servername', 'a.test', ...args])
      assert.match(output, /no peer certificate available/)
      assert.equal((await front.next()).failure?.reason, 'tls-handshake-failed')
    }
  })

  it('may not renegotiate', async (t) => {
    const front = await open(t, a, 'a.test')
    const output = await client(front.port, ['-tls1_2', '-servername', 'a.test'], 'R\n')
    assert.match(output, /RENEGOTIATING/)
    assert.match(output, /no renegotiation/)
  })
})

/**
 * Runs s_client to its end and gives all its output. A line is echoed first: the tickets of TLS 1.3
 * come before it. Then a command, which ends the client by default.
 */
function client(port: number, args: readonly string[], command = 'Q\n'): Promise<string> {
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args])
  let output = ''
  let echoed = false
  const collect = (chunk: Buffer): void => {
    output += chunk
    if (echoed || !/^ping$/m.test(output)) return
    echoed = true
    child.stdin.write(command)
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  child.stdin.on('error', () => {})
  child.stdin.write('ping\n')
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => resolve(output))
  })
}
